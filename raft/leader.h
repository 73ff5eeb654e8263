// The leader: appends proposals, replicates them, commits what a quorum holds, and proves its leadership for reads.
//
// Inputs only change state; messages to the others are formed by Flush, once for everything of a turn.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "raft/message.h"
#include "raft/node.h"
#include "raft/output.h"
#include "raft/progress.h"
#include "raft/reads.h"
#include "raft/types.h"

namespace regent::raft {

class Leader {
 public:
  // Begins the term with an entry of its own (the no-op): only such an entry can be committed by counting.
  explicit Leader(Node& node);

  // False: no quorum was heard for an election timeout, the leader must step down (thesis, section 6.2).
  [[nodiscard]] bool Tick(Node& node);

  // False: uncommitted_bytes_max is reached. Always takes one batch when nothing is uncommitted.
  [[nodiscard]] bool Append(Node& node, std::span<Bytes> batch);
  // False: reads_max is reached.
  [[nodiscard]] bool AddRead(Node& node, LeaderReads::Origin origin);

  void OnAppendAccepted(Node& node, NodeId from, const AppendAccepted& reply);
  void OnAppendRejected(Node& node, NodeId from, const AppendRejected& reply);
  void OnHeartbeatReply(Node& node, NodeId from, const HeartbeatReply& reply);
  void OnFetched(Node& node, const LogFetch& fetch, FetchResult result);
  void OnSnapshotReported(NodeId peer, bool sent, Index index);
  void OnPeerGone(NodeId peer);

  // Commits what a quorum holds; called when something became durable here, too.
  void AdvanceCommit(Node& node);
  void Flush(Node& node);
  std::vector<ReadId> FailReads() { return reads_.FailAll(); }

  const std::map<NodeId, Progress>& peers() const { return peers_; }
  Index first_of_term() const { return first_of_term_; }
  uint64_t uncommitted_bytes() const { return uncommitted_bytes_; }

 private:
  void SendAppends(Node& node, NodeId to, Progress& peer);
  // False: nothing can be sent now.
  bool SendOne(Node& node, NodeId to, Progress& peer);
  void SendEmpty(Node& node, NodeId to, Progress& peer);
  void FetchFor(Node& node, NodeId to, Progress& peer);
  void NeedSnapshot(Node& node, NodeId to, Progress& peer);
  void SendHeartbeats(Node& node);
  bool HeardQuorum(Node& node);
  void FlushReads(Node& node);
  void ConfirmReads(Node& node);
  void Answer(Node& node, const std::vector<LeaderReads::Confirmed>& confirmed);

  std::map<NodeId, Progress> peers_;  // everybody else in the configuration
  LeaderReads reads_;
  Index first_of_term_;
  uint64_t uncommitted_bytes_ = 0;  // data of this term's entries above the commit index
  uint32_t heartbeat_ticks_ = 0;
  uint32_t quorum_ticks_ = 0;
};

}  // namespace regent::raft
