// What the services need from a node. Implemented by server/node; a fake of a few lines serves the services' tests.
//
// Threads: every function may be called from any thread and returns at once. A `Done` is called exactly once, on the
// calling thread before the function returns or later on a loop of the node; it must not block.
// Errors are the contract's (api/contract/errors.h): what a Done receives goes to the client as it is. A write that
// may have happened ends with an error that says so (timed out, leader changed), never with one that says "failed".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "api/contract/requests.h"
#include "api/contract/results.h"
#include "api/contract/types.h"
#include "api/service/call.h"

namespace regent::api {

template <typename T>
using Done = absl::AnyInvocable<void(absl::StatusOr<T>)>;

// The parts of a ResponseHeader; `revision` is filled in by the answer when the answer knows a better one.
struct Header {
  uint64_t cluster_id = 0;
  uint64_t member_id = 0;
  Revision revision;
  uint64_t raft_term = 0;
};

struct LeaseKeepAliveResult {
  Revision revision;  // taken before the renewal
  int64_t ttl = 0;    // seconds; 0: the lease does not exist
};

struct LeaseTimeToLiveResult {
  Revision revision;
  int64_t ttl = -1;  // seconds left, truncated; -1: the lease does not exist
  int64_t granted_ttl = 0;
  std::vector<std::string> keys;
};

struct LeaseLeasesResult {
  Revision revision;
  std::vector<LeaseId> leases;
};

struct StatusResult {
  Revision revision;
  int64_t db_size = 0;
  int64_t db_size_in_use = 0;
  int64_t db_size_quota = 0;
  uint64_t leader = 0;  // 0: none
  uint64_t raft_index = 0;
  uint64_t raft_applied_index = 0;
  uint64_t raft_term = 0;
  bool is_learner = false;
  std::vector<AlarmMember> alarms;
};

struct WatchCreate {
  int64_t watch_id = 0;  // 0: the stream picks one
  std::string key;       // never empty: the service makes "\0" of an empty one
  std::string range_end;
  Revision start_revision;  // 0: from now
  bool progress_notify = false;
  bool prev_kv = false;
  bool fragment = false;
  bool no_put = false;
  bool no_delete = false;
};

// One WatchResponse before encoding. `events` are encoded repeated fields (tag 11) of mvccpb.Event, shared by all
// watchers that get the same event; a message holds as many as were ready.
struct WatchMessage {
  int64_t watch_id = 0;
  Revision revision;  // 0: the header carries none
  bool created = false;
  bool canceled = false;
  Revision compact_revision;
  std::string cancel_reason;
  bool fragment = false;  // the watch was created with `fragment`: the sink may split the message between events
  std::vector<SharedBytes> events;
};

// The client's side of one watch stream. Called on the watch loop, in order.
class WatchSink {
 public:
  virtual ~WatchSink() = default;
  virtual void Send(WatchMessage message) = 0;
  virtual size_t unsent_bytes() const = 0;  // the hub stops feeding a stream above its limit and resumes after Drained
  virtual void Finish(absl::Status status) = 0;
};

// The node's side of one watch stream. Functions may be called from any thread; they take effect in the order called.
// Destroying it ends all its watches.
class WatchStream {
 public:
  virtual ~WatchStream() = default;
  virtual void Create(WatchCreate request) = 0;
  virtual void Cancel(int64_t watch_id) = 0;
  virtual void RequestProgress() = 0;
  virtual void Drained() = 0;  // the sink's unsent_bytes() has become smaller
};

// A range read slice by slice at one revision, by one thread at a time. It keeps the store's state of that moment
// reachable, not open: a compaction may overtake it, and the next slice is then ErrCompacted.
class SlicedRange {
 public:
  virtual ~SlicedRange() = default;

  struct Slice {
    // In the last slice with revision, more and count of the whole range; in the others they are 0.
    RangeResult result;
    bool last = false;
  };
  // About `bytes_max` of key-values, one key at least. Not after the last slice or an error.
  virtual absl::StatusOr<Slice> Next(size_t bytes_max) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // The header of an answer given now: ids, term and current revision.
  virtual Header CurrentHeader() const = 0;
  virtual bool HasLeader() const = 0;

  // Through the log. The result's alternative matches the request's.
  virtual void Propose(WriteRequest request, MonotonicTime deadline, Done<WriteResult> done) = 0;

  // Answers a request that is not proposed because of `why`. One that does not fit the quota either hears ErrNoSpace,
  // once the alarm is raised: etcd looks at the quota before it looks at the request.
  virtual void Reject(WriteRequest request, absl::Status why, absl::AnyInvocable<void(absl::Status)> done) = 0;

  // Linearizable unless the request says serializable.
  virtual void Range(RangeRequest request, MonotonicTime deadline, Done<RangeResult> done) = 0;

  // The same in slices; the request has key order and no filters. ErrCompacted and ErrFutureRevision come with a slice.
  virtual void OpenRange(RangeRequest request, MonotonicTime deadline, Done<std::unique_ptr<SlicedRange>> done) = 0;

  // A transaction of top-level ranges alone (or of nothing): evaluated locally at one revision, after a read index
  // unless every range is serializable.
  virtual void ReadTxn(TxnRequest request, MonotonicTime deadline, Done<TxnResult> done) = 0;

  virtual void LeaseKeepAlive(LeaseId id, Done<LeaseKeepAliveResult> done) = 0;
  virtual void LeaseTimeToLive(LeaseId id, bool keys, Done<LeaseTimeToLiveResult> done) = 0;
  virtual void LeaseLeases(Done<LeaseLeasesResult> done) = 0;

  // The sink outlives the stream.
  virtual std::unique_ptr<WatchStream> OpenWatch(std::shared_ptr<WatchSink> sink) = 0;

  virtual void MemberList(bool linearizable, MonotonicTime deadline, Done<std::vector<Member>> done) = 0;
  virtual void Status(Done<StatusResult> done) = 0;
  virtual void Alarms(AlarmRequest get, Done<AlarmResult> done) = 0;
  // The digest over everything the log has done to this store, folded to 32 bits: equal on members that have applied
  // the same entries, and nothing like etcd's, which hashes the pages of its file.
  virtual void Hash(Done<HashResult> done) = 0;
  // etcd's very value of the key-values at a revision (0: the current one), of this member, without a read index.
  virtual void HashKv(int64_t revision, Done<HashKvResult> done) = 0;
  virtual void Defragment(Done<std::monostate> done) = 0;
  // Hands the leadership to a voter. Errors: ErrNotLeader, ErrBadLeaderTransferee.
  virtual void MoveLeader(uint64_t target, Done<std::monostate> done) = 0;
};

}  // namespace regent::api
