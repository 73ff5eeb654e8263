// The replicated state machine: MVCC, leases, members and alarms, as a function of the log. It depends on the entries
// and on its state alone: no clock, no chance, no thread of its own.
//
// Owner: one loop (the apply loop) calls every function that is not marked otherwise. View is immutable and may be used
// from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "api/contract/requests.h"
#include "api/contract/results.h"
#include "raft/types.h"
#include "storage/command.h"
#include "storage/engine.h"
#include "storage/events.h"
#include "storage/snapshot.h"
#include "storage/view.h"

namespace regent::storage {

struct StateMachineOptions {
  size_t chunk_bytes_max = 4 << 20;        // an entry's rows beyond this are written in several batches
  size_t head_cache_bytes_max = 32 << 20;  // newest versions of recently written keys
  size_t posted_events_max = 10'000;       // a revision with more is left to catch-up reads (EventBatch::too_large)
  int64_t quota_bytes = 0;                 // this member's; 0 or less: none. See ApplyOutcome::over_quota
};

// The answer for one applied command. `status`/`value` is what the proposer's caller gets.
struct Answer {
  RequestId request;
  absl::StatusOr<api::WriteResult> result;
  size_t kind = 0;   // which alternative of WriteRequest the command was
  size_t count = 1;  // how many commands of its kind it stands for: the leases of an expiry
};

// What happened to leases, in order, for the lease keeper that counts the time.
struct LeaseChange {
  enum class Kind : uint8_t { kGranted, kRevoked };
  Kind kind = Kind::kGranted;
  api::LeaseId id;
  int64_t ttl = 0;  // seconds
};

// Operations on keys, counted as etcd counts them: a look at a previous value or at a compared key is a range, the
// deletes of a revoke are one for each key, and what does more than one of these at a time is a transaction.
struct OperationCounts {
  uint64_t ranges = 0;
  uint64_t puts = 0;
  uint64_t deletes = 0;
  uint64_t txns = 0;
  uint64_t put_bytes = 0;  // of keys and values

  OperationCounts& operator+=(const OperationCounts& other) {
    ranges += other.ranges, puts += other.puts, deletes += other.deletes;
    txns += other.txns, put_bytes += other.put_bytes;
    return *this;
  }
  bool operator==(const OperationCounts&) const = default;
};

struct ApplyOutcome {
  std::vector<Answer> answers;               // in the order of the entries
  std::shared_ptr<const EventBatch> events;  // null when the turn changed no key
  std::vector<LeaseChange> leases;
  OperationCounts operations;
  bool alarms_changed = false;
  bool members_changed = false;  // who they are, or who of them votes
  // A request did not fit this member's quota (quota.h): it was applied as on every member, its answer here is
  // ErrNoSpace, and the owner raises the alarm before it hands the answer out.
  bool over_quota = false;
  bool compacted = false;  // the compacted revision moved: there is something to purge
};

// Asked during Apply for a key that is updated or deleted: does a live watcher want the previous value in the event?
// Pure and quick; published by the watch hub.
using WantsPrevious = std::function<bool(std::string_view key)>;

struct LeaseInfo {
  api::LeaseId id;
  int64_t ttl = 0;  // seconds, as granted
};

class StateMachine {
 public:
  // Reads counters, leases, alarms, members and the counted tree; the time does not depend on the number of versions.
  static absl::StatusOr<std::unique_ptr<StateMachine>> Open(std::shared_ptr<Engine> engine,
                                                            StateMachineOptions options);
  virtual ~StateMachine() = default;

  // Applies committed entries, contiguous from applied() + 1, in one batch (large entries excepted), then publishes
  // the new view. Entries at or below applied() are a broken promise of the caller (CHECK).
  virtual ApplyOutcome Apply(std::span<const raft::Entry> turn, const WantsPrevious& wants_previous) = 0;

  virtual raft::Index applied() const = 0;
  virtual raft::Term applied_term() const = 0;

  // The state after the last Apply. From any thread; never null.
  virtual std::shared_ptr<const View> view() const = 0;

  virtual std::vector<LeaseInfo> Leases() const = 0;  // by id
  virtual std::optional<LeaseInfo> FindLease(api::LeaseId id) const = 0;
  virtual std::vector<std::string> LeaseKeys(api::LeaseId id) const = 0;  // ascending
  virtual std::vector<api::AlarmMember> Alarms() const = 0;               // ascending
  virtual std::vector<api::Member> Members() const = 0;                   // by id; learners as configured
  virtual std::set<uint64_t> RemovedMembers() const = 0;                  // their ids never come back

  // The purge behind a compaction, in slices. PlanPurge reads and may run on any thread with the view that it is
  // given; RunPurge writes, on the owner, and ignores a plan made before the engine was replaced. nullopt: done.
  virtual std::optional<PurgePlan> PlanPurge(const View& view, size_t events_max) const = 0;
  virtual void RunPurge(const PurgePlan& plan) = 0;

  // The newest configuration entry that was applied; nullopt when the log had none. The log may have released it.
  virtual std::optional<raft::Entry> configuration() const = 0;

  // From any thread. Makes everything applied durable in the engine; returns the applied index that a crash now would
  // come back with.
  virtual absl::StatusOr<raft::Index> Flush() = 0;
  // The applied index that is durable in the engine: the log may be released up to it. From any thread.
  virtual absl::StatusOr<raft::Index> PersistedApplied() const = 0;

  // A durable copy of the state as it is now, in a new folder, for other members. DataLoss: see ReadSnapshotFacts.
  virtual absl::StatusOr<SnapshotFacts> Checkpoint(const std::string& folder) = 0;
  // The state becomes that of another store, which has applied more: a snapshot was installed. Views of the old one
  // stay good for who holds them.
  virtual void Replace(std::shared_ptr<Engine> engine) = 0;

  // Chained over the logical operations of all entries: equal on all members at an equal index.
  virtual uint64_t digest() const = 0;
};

}  // namespace regent::storage
