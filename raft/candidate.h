// The two kinds of candidates. A pre-candidate asks whether it would win, in no term of its own, and binds nobody
// (thesis, section 9.6): a node that returns from a partition does not depose a working leader. A candidate asks for
// votes in its new term; its own vote counts when it is durable, like anybody's.
#pragma once

#include <cstdint>
#include <map>

#include "raft/node.h"
#include "raft/quorum.h"
#include "raft/types.h"

namespace regent::raft {

struct PreCandidate {
  std::map<NodeId, bool> votes;
  uint32_t ticks = 0;
  uint32_t patience_ticks = 0;  // then it begins anew

  void Ask(Node& node);
  VoteOutcome OnReply(const Node& node, NodeId from, bool granted);
};

struct Candidate {
  std::map<NodeId, bool> votes;
  uint32_t ticks = 0;
  uint32_t patience_ticks = 0;
  bool leadership_transfer = false;  // the leader asked for this campaign

  void Ask(Node& node);
  VoteOutcome OnReply(const Node& node, NodeId from, bool granted);
  VoteOutcome OnPersisted(const Node& node);
};

}  // namespace regent::raft
