// Counts the time of leases, on the leader. Which leases exist is replicated state and comes from apply; how long each
// still lives is known to the leader alone and is never written down.
//
//   * A lease never ends early. Whoever begins to lead, also after a restart, gives every lease its full time to live
//     and an election timeout on top, from the moment when an entry of its own term is applied.
//   * Leases whose time is over are ended by one command for many, in the order of their deadlines, with the term of
//     the leader that decided it: apply refuses the decision of a deposed leader. A lease stays, expired, until apply
//     says that it is gone. One command is under way at a time, its size follows how long the last one took, and
//     the next one waits for as long: ends by the thousand do not keep writes waiting.
//   * A renewal of an expired lease waits for its end and answers "gone" (TTL 0): a renewal that was acknowledged is
//     never followed by an end that was decided before it.
//   * Monotonic time only: the wall clock may jump as it likes.
//
// Owner: the raft loop. Answers are given on it.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "api/service/backend.h"
#include "server/node/node_options.h"
#include "storage/state_machine.h"

namespace regent::server {

class LeaseKeeper {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;
  // Proposes the end of the leases in the given term. `done` comes on the raft loop, later, behind the OnChanges of
  // what was done.
  using Expire = std::function<void(raft::Term, std::vector<api::LeaseId>, Done done)>;

  LeaseKeeper(const NodeSeams& seams, const NodeOptions& options, Expire expire);

  // The leases found at start. Before the loops run.
  void Start(const std::vector<storage::LeaseInfo>& leases);

  // This node leads `term` and has applied an entry of it.
  void Lead(raft::Term term);
  // It leads no more: nothing expires here, and who waits for a revocation is told ErrLeaderChanged.
  void Follow();

  void OnChanges(const std::vector<storage::LeaseChange>& changes);
  // A snapshot took the place of the store, which only happens to who does not lead.
  void Replace(const std::vector<storage::LeaseInfo>& leases);

  // `revision`: of the store when the request came. REQUIRES: leadership was confirmed after the request came.
  void Renew(api::LeaseId id, api::Revision revision, api::Done<api::LeaseKeepAliveResult> done);

  struct Remaining {
    int64_t ttl = 0;  // seconds, truncated
    int64_t granted_ttl = 0;
  };
  std::optional<Remaining> TimeLeft(api::LeaseId id) const;
  // Those that expire first come first.
  std::vector<api::LeaseId> ByExpiry() const;
  bool leading() const { return leading_.has_value(); }
  bool Exists(api::LeaseId id) const { return leases_.contains(id); }

  // Nothing expires any more; whoever waits for a revocation is told `status`.
  void Stop(const absl::Status& status);

 private:
  struct Waiter {
    api::Revision revision;
    api::Done<api::LeaseKeepAliveResult> done;
  };
  struct Lease {
    int64_t ttl = 0;
    MonotonicTime deadline;
    bool expired = false;  // its end is proposed, or about to be
    std::vector<Waiter> waiters;
  };

  Duration TimeToLive(int64_t ttl) const;
  void SetDeadline(api::LeaseId id, Lease& lease, MonotonicTime deadline);
  void ExpireDue();
  void ProposeEnds();
  void OnEnded(uint64_t command, const absl::Status& status);
  void RestFor(Duration rest);
  void ForgetCommand();
  void StartTimer();
  void FailWaiters(const absl::Status& status);

  Loop& loop_;
  const NodeOptions& options_;
  Metrics& metrics_;
  const Expire expire_;

  std::optional<raft::Term> leading_;  // the term, while this node leads
  bool stopped_ = false;
  std::map<api::LeaseId, Lease> leases_;
  std::set<std::pair<MonotonicTime, api::LeaseId>> deadlines_;  // of leases that are not expired
  std::deque<api::LeaseId> to_end_;                             // expired, not proposed; some may be gone already
  std::vector<api::LeaseId> ending_;                            // proposed, not answered
  uint64_t command_ = 0;                                        // the number of the command that ends them
  bool resting_ = false;                                        // after a command, so that others come in between
  MonotonicTime proposed_;
  size_t leases_per_command_;
  Loop::TimerId timer_ = Loop::TimerId::kNone;
  MonotonicTime timer_due_;
};

}  // namespace regent::server
