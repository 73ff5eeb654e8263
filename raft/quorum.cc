#include "raft/quorum.h"

#include <algorithm>
#include <functional>
#include <vector>

namespace regent::raft {
namespace {

bool Contains(const std::vector<NodeId>& ids, NodeId id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); }

uint64_t ReachedByMajority(const std::vector<NodeId>& voters, const std::function<uint64_t(NodeId)>& value_of) {
  if (voters.empty()) return UINT64_MAX;
  std::vector<uint64_t> values;
  values.reserve(voters.size());
  for (NodeId voter : voters) values.push_back(value_of(voter));
  // In descending order the element at size/2 is the smallest of the best majority.
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end(), std::greater<>());
  return *middle;
}

VoteOutcome CountMajority(const std::vector<NodeId>& voters, const std::map<NodeId, bool>& votes) {
  if (voters.empty()) return VoteOutcome::kWon;
  size_t granted = 0;
  size_t missing = 0;
  for (NodeId voter : voters) {
    const auto vote = votes.find(voter);
    if (vote == votes.end()) {
      ++missing;
    } else if (vote->second) {
      ++granted;
    }
  }
  const size_t majority = voters.size() / 2 + 1;
  if (granted >= majority) return VoteOutcome::kWon;
  return granted + missing >= majority ? VoteOutcome::kPending : VoteOutcome::kLost;
}

}  // namespace

bool IsVoter(const Configuration& configuration, NodeId id) {
  return Contains(configuration.voters, id) || Contains(configuration.outgoing_voters, id);
}

bool IsSoleVoter(const Configuration& configuration, NodeId id) {
  const std::vector<NodeId>& outgoing = configuration.outgoing_voters;
  return configuration.voters.size() == 1 && configuration.voters.front() == id &&
         (outgoing.empty() || (outgoing.size() == 1 && outgoing.front() == id));
}

bool IsAlone(const Configuration& configuration, NodeId id) {
  return IsSoleVoter(configuration, id) && configuration.learners.empty();
}

uint64_t ReachedByQuorum(const Configuration& configuration, const std::function<uint64_t(NodeId)>& value_of) {
  return std::min(ReachedByMajority(configuration.voters, value_of),
                  ReachedByMajority(configuration.outgoing_voters, value_of));
}

VoteOutcome CountVotes(const Configuration& configuration, const std::map<NodeId, bool>& votes) {
  const VoteOutcome incoming = CountMajority(configuration.voters, votes);
  const VoteOutcome outgoing = CountMajority(configuration.outgoing_voters, votes);
  if (incoming == VoteOutcome::kLost || outgoing == VoteOutcome::kLost) return VoteOutcome::kLost;
  if (incoming == VoteOutcome::kWon && outgoing == VoteOutcome::kWon) return VoteOutcome::kWon;
  return VoteOutcome::kPending;
}

}  // namespace regent::raft
