// Everything the owner of a core must do for it. Plain data; nothing here runs.
//
// The owner handles the parts of one Output in this order:
//   1. `send`: hand over to the transport now.
//   2. `step`: give {hard_state, append, send_after_persist} to the log: hard_state is saved first, then `append`; when
//      both are durable send `send_after_persist`, then call Core::Persisted(step). Until then no Output carries a
//      step.
//      A step with `install`: save hard_state, put the received snapshot in the place of log and state machine, then
//      call Core::Installed(step), or InstallFailed when it cannot be used. Entries handed out for apply before may be
//      dropped; after Installed nothing below its index is reported applied.
//   3. `fetch`: read from the log, answer with Core::Fetched. Entries of an outstanding step are never fetched.
//   4. `apply`: give to the state machine in order; call Core::Applied as it gets on.
//   5. `reads`, `reads_failed`: a read may run once its index is applied.
//   6. `configuration`: whom to connect to. It counts from append: a truncation may bring an earlier one back.
//   7. `role`: last, so that proposals answered by `apply` of the same Output are answered before the rest fails.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "raft/message.h"
#include "raft/types.h"

namespace regent::raft {

// Entries [from, through] of the log, at least one, until their data exceed bytes_max. For a peer `from` may be the
// entry before those to send: the core needs its term. Answers with more than `through` are cut.
struct LogFetch {
  enum class Purpose : uint8_t { kPeer, kApply };
  Purpose purpose = Purpose::kApply;
  NodeId peer;  // kPeer only
  Term term;    // of the core when it asked: a late answer is recognised
  Index from;
  Index through;
  uint64_t bytes_max = 0;
  bool operator==(const LogFetch&) const = default;
};

// The answer when `from` is no longer in the log. For a peer: it gets a snapshot. For apply: a bug, the core stops.
struct Released {};
using FetchResult = std::variant<std::vector<Entry>, Released>;

// A snapshot that was received; answered by Core::Installed or Core::InstallFailed.
struct SnapshotToInstall {
  NodeId from;
  Index index;
  Term term;
  PlacedConfiguration configuration;
  bool operator==(const SnapshotToInstall&) const = default;
};

// The peer needs a snapshot, of any index that the log still follows; answered by Core::SnapshotReported.
struct SnapshotToSend {
  NodeId to;
  Term term;  // of the leader
  bool operator==(const SnapshotToSend&) const = default;
};

struct Read {
  ReadId id;
  Index index;
  bool operator==(const Read&) const = default;
};

struct RoleChange {
  Term term;
  NodeId leader;  // kNobody: not known
  Role role = Role::kFollower;
  bool operator==(const RoleChange&) const = default;
};

struct Output {
  std::optional<StepId> step;                // names the durable step; at most one outstanding
  std::optional<HardState> hard_state;       //   rare: to the metadata files first, then `append` is synced
  std::vector<Entry> append;                 //   starts at the first conflict: never an entry already held
  std::optional<SnapshotToInstall> install;  //   excludes append; no `apply` until it is answered
  std::vector<Message> send;                 // now, in parallel with the disk
  std::vector<Message> send_after_persist;   // when `step` is durable; not empty only with a step
  std::vector<LogFetch> fetch;
  std::vector<SnapshotToSend> snapshots;
  std::vector<Entry> apply;  // committed and durable here; in order, once; bounded in bytes
  std::vector<Read> reads;
  std::vector<ReadId> reads_failed;                  // the outcome is "try again": no leader, or leadership lost
  std::optional<PlacedConfiguration> configuration;  // differs from the last one; the owner starts with the newest
  std::optional<RoleChange> role;  // differs from the last one; the owner starts with {initial term, nobody, follower}
};

}  // namespace regent::raft
