// Majorities. During a joint change a decision needs a majority of both halves of the configuration.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "raft/types.h"

namespace regent::raft {

bool IsVoter(const Configuration& configuration, NodeId id);  // in either half
bool IsSoleVoter(const Configuration& configuration, NodeId id);
bool IsAlone(const Configuration& configuration, NodeId id);  // the sole voter, and nobody learns

// The largest value that a quorum has reached: the committed index from the nodes' matching indexes, the confirmed
// round of reads from their acknowledged rounds. UINT64_MAX without voters.
uint64_t ReachedByQuorum(const Configuration& configuration, const std::function<uint64_t(NodeId)>& value_of);

enum class VoteOutcome : uint8_t { kPending, kWon, kLost };

// Nodes missing in `votes` have not answered.
VoteOutcome CountVotes(const Configuration& configuration, const std::map<NodeId, bool>& votes);

}  // namespace regent::raft
