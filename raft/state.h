// The inside of a core: the node and its role. Only core.cc, describe.cc, invariants.cc and tests look at it.
#pragma once

#include <optional>
#include <variant>

#include "raft/candidate.h"
#include "raft/core.h"
#include "raft/follower.h"
#include "raft/leader.h"
#include "raft/node.h"

namespace regent::raft {

struct Core::State {
  Node node;
  std::variant<Follower, PreCandidate, Candidate, Leader> role;
  RoleChange reported;  // the last one the owner was told
  PlacedConfiguration reported_configuration;
  bool changed = false;           // an input came since the last TakeOutput
  bool campaign_at_once = false;  // at start the only voter does not wait for anybody

  Role CurrentRole() const { return static_cast<Role>(role.index()); }
  NodeId CurrentLeader() const;

  // Changes of role. Each ends what only the old role can answer.
  void BecomeFollower(Term term, NodeId leader);
  void Campaign();
  void BecomePreCandidate();
  enum class Reason : uint8_t { kTimeout, kLeadershipTransfer };
  void BecomeCandidate(Reason reason);
  void BecomeLeader();
  void LeaveRole();

  // Messages, by kind.
  void HeardLeader(NodeId leader);
  void OnPreVoteRequest(const Message& message, const PreVoteRequest& request);
  void OnPreVoteReply(const Message& message, const PreVoteReply& reply);
  void OnLowerTerm(const Message& message);
  void OnVoteRequest(NodeId from, const VoteRequest& request);
  void OnVoteReply(NodeId from, const VoteReply& reply);
  bool IgnoresCandidates() const;
  void Dispatch(Message message);
};

}  // namespace regent::raft
