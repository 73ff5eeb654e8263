// Counts the time of leases, on the leader. Which leases exist is replicated state and comes from apply; how long each
// still lives is known to the leader alone and is never written down.
//
//   * A lease never ends early. Whoever begins to lead, also after a restart, gives every lease its full time to live
//     and an election timeout on top, from the moment when an entry of its own term is applied.
//   * A lease whose time is over is proposed for revocation, in batches, with the term of the leader that decided it:
//     apply refuses the decision of a deposed leader. It stays, expired, until apply says that it is revoked.
//   * A renewal of an expired lease waits for the revocation and answers "gone" (TTL 0): a renewal that was
//   acknowledged
//     is never followed by a revocation decided before it.
//   * Monotonic time only: the wall clock may jump as it likes.
//
// Owner: the raft loop. Answers are given on it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "api/service/backend.h"
#include "server/node/node_options.h"
#include "storage/state_machine.h"

namespace regent::server {

class LeaseKeeper {
 public:
  // `revoke`: proposes the revocations in the given term; each ends with OnChanges, or with RevokeFailed.
  LeaseKeeper(const NodeSeams& seams, const NodeOptions& options,
              std::function<void(raft::Term, const std::vector<api::LeaseId>&)> revoke);

  // The leases found at start. Before the loops run.
  void Start(const std::vector<storage::LeaseInfo>& leases);

  // This node leads `term` and has applied an entry of it.
  void Lead(raft::Term term);
  // It leads no more: nothing expires here, and who waits for a revocation is told ErrLeaderChanged.
  void Follow();

  void OnChanges(const std::vector<storage::LeaseChange>& changes);
  void RevokeFailed(api::LeaseId id);

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
    bool expired = false;  // its revocation is proposed, or about to be
    std::vector<Waiter> waiters;
  };

  Duration TimeToLive(int64_t ttl) const;
  void SetDeadline(api::LeaseId id, Lease& lease, MonotonicTime deadline);
  void Expire();
  void ProposeRevokes();
  void StartTimer();
  void FailWaiters(const absl::Status& status);

  Loop& loop_;
  const NodeOptions& options_;
  Metrics& metrics_;
  const std::function<void(raft::Term, const std::vector<api::LeaseId>&)> revoke_;

  std::optional<raft::Term> leading_;  // the term, while this node leads
  bool stopped_ = false;
  std::map<api::LeaseId, Lease> leases_;
  std::set<std::pair<MonotonicTime, api::LeaseId>> deadlines_;  // of leases that are not expired
  std::set<api::LeaseId> to_revoke_;                            // expired, not proposed
  size_t revoking_ = 0;                                         // proposed, not answered
  Loop::TimerId timer_ = Loop::TimerId::kNone;
  MonotonicTime timer_due_;
};

}  // namespace regent::server
