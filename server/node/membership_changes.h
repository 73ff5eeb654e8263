// Carries out what clients want changed about the members: one request after the other, each when the change before it
// is complete and applied here. On the leader alone; the rules and their order are etcd's.
//
// A request that breaks a rule was certainly not proposed, and whoever asked hears so. One that was proposed is
// answered through the log of the member that took it, like any write.
//
// A voter that is added to a single one learns first: by the rules for changing a configuration that counts from its
// entry on, the new one would have to acknowledge its own addition, and it does not run yet. etcd, where a change
// counts from its apply on, answers, and then decides nothing until the new one runs. Here the single one goes on alone
// until the new one has caught up, and then lets it vote.
//
// Owner: the raft loop.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "server/node/applier.h"
#include "server/node/node_options.h"
#include "server/node/raft_driver.h"

namespace regent::server {

class MembershipChanges {
 public:
  struct Known {  // as applied here
    std::shared_ptr<const std::vector<api::Member>> members;
    std::function<bool(uint64_t id)> was_removed;
  };

  MembershipChanges(const NodeSeams& seams, const NodeOptions& options, RaftDriver& driver, Applier& applier,
                    std::function<Known()> known);

  void Add(MembershipRequest request);
  // Something was applied, time has passed.
  void Advance();
  // This member does not lead any more, or stops.
  void FailAll(const absl::Status& why);

 private:
  struct Waiting {
    MembershipRequest request;
    api::WriteRequest body;
    MonotonicTime deadline;
  };

  // Those that learn for the time being, when they have caught up.
  void PromoteAwaited();
  bool CaughtUp(uint64_t id) const;
  // False: the request waits on.
  bool Try(Waiting& waiting);
  bool Settled() const;
  void Refuse(MembershipRequest& request, absl::Status why);

  // Why the request breaks a rule.
  absl::Status Check(const Known& known, const api::MemberAddRequest& add) const;
  absl::Status Check(const Known& known, const api::MemberRemoveRequest& remove) const;
  absl::Status Check(const Known& known, const api::MemberPromoteRequest& promote) const;
  struct VoterChange {
    uint64_t but_not = 0;  // who will not vote any more; 0: nobody
    size_t more = 0;       // who will vote
    size_t more_started = 0;
  };
  bool EnoughStarted(const Known& known, VoterChange change) const;
  bool ConnectedFully() const;
  size_t ConnectedVoters() const;
  bool ConnectedLately(raft::NodeId id) const;

  Loop& loop_;
  const NodeOptions& options_;
  Metrics& metrics_;
  Transport& transport_;
  RaftDriver& driver_;
  Applier& applier_;
  const std::function<Known()> known_;
  std::deque<Waiting> waiting_;  // in the order of their coming, which is about that of their deadlines
  bool advancing_ = false;
};

}  // namespace regent::server
