// The follower: takes entries from the leader, forwards reads to it, and notices its silence.
#pragma once

#include <cstdint>
#include <vector>

#include "raft/message.h"
#include "raft/node.h"
#include "raft/reads.h"
#include "raft/types.h"

namespace regent::raft {

struct Follower {
  NodeId leader;                // kNobody: not known in this term
  uint32_t silent_ticks = 0;    // since the leader was heard or a vote was granted
  uint32_t patience_ticks = 0;  // campaign at this much silence
  FollowerReads reads;

  // True: the leader has been silent for too long.
  bool Tick(const Node& node);
  void LoseLeader(Node& node);  // nobody is heard any more; reads fail

  // Candidates are ignored while the leader was heard within an election timeout (thesis, section 4.2.3).
  bool Sticky(const Node& node) const {
    return node.options.check_quorum && leader != kNobody && silent_ticks < node.options.election_ticks;
  }

  void OnAppend(Node& node, NodeId from, AppendRequest request);
  void OnHeartbeat(Node& node, NodeId from, const Heartbeat& heartbeat);
  void OnInstallSnapshot(Node& node, NodeId from, const InstallSnapshot& snapshot);
  void OnReadIndexReply(Node& node, NodeId from, const ReadIndexReply& reply);
  void OnPeerGone(Node& node, NodeId peer);
  void Flush(Node& node);
};

}  // namespace regent::raft
