#include "raft/candidate.h"

#include <set>

namespace regent::raft {
namespace {

std::set<NodeId> OtherVoters(const Node& node) {
  const Configuration& configuration = node.membership.current();
  std::set<NodeId> others(configuration.voters.begin(), configuration.voters.end());
  others.insert(configuration.outgoing_voters.begin(), configuration.outgoing_voters.end());
  others.erase(node.id);
  return others;
}

}  // namespace

void PreCandidate::Ask(Node& node) {
  votes = {{node.id, true}};
  for (NodeId voter : OtherVoters(node)) {
    node.SendNow(voter, PreVoteRequest{.campaign_term = Term{node.term().value + 1},
                                       .last_index = node.log.last_index(),
                                       .last_term = node.log.last_term()});
  }
}

VoteOutcome PreCandidate::OnReply(const Node& node, NodeId from, bool granted) {
  votes.emplace(from, granted);
  return CountVotes(node.membership.current(), votes);
}

void Candidate::Ask(Node& node) {
  for (NodeId voter : OtherVoters(node)) {
    node.SendWhenDurable(voter, VoteRequest{.last_index = node.log.last_index(),
                                            .last_term = node.log.last_term(),
                                            .leadership_transfer = leadership_transfer});
  }
}

VoteOutcome Candidate::OnReply(const Node& node, NodeId from, bool granted) {
  votes.emplace(from, granted);
  return CountVotes(node.membership.current(), votes);
}

VoteOutcome Candidate::OnPersisted(const Node& node) {
  if (node.durability.HardStateDurable()) votes.emplace(node.id, true);
  return CountVotes(node.membership.current(), votes);
}

}  // namespace regent::raft
