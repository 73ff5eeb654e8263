// The leader: appends proposals, replicates them, commits what a quorum holds, and proves its leadership for reads.
//
// Inputs only change state; messages to the others are formed by Flush, once for everything of a turn.
//
// A change of the configuration: the entry counts from append, so do the nodes in it. When a joint entry is committed,
// under whichever leader, Flush appends the entry that leaves it. Nodes that fall out are served until that one is
// committed, so that they usually learn of it. A leader that falls out steps down then and lets the best voter
// campaign.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "raft/message.h"
#include "raft/node.h"
#include "raft/output.h"
#include "raft/progress.h"
#include "raft/proposal.h"
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
  // nullopt: done, the entry is appended.
  [[nodiscard]] std::optional<Refused::Reason> Change(Node& node, const ConfigurationChange& change);
  [[nodiscard]] std::optional<Refused::Reason> Transfer(const Node& node, NodeId to);
  NodeId transferee() const { return transfer_ ? transfer_->to : kNobody; }
  // The committed configuration has no vote for this node: it steps down.
  bool IsOut(const Node& node) const;
  void HandOver(Node& node);  // last words of one that is out

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
  struct Transferring {
    NodeId to;
    uint32_t ticks = 0;
    bool asked = false;  // since the last heartbeat
  };

  bool ConfigurationSettled(const Node& node) const;
  void AppendConfiguration(Node& node, const ConfigurationEntry& entry);
  void AddPeers(const Node& node, Index next);
  void AdvanceConfiguration(Node& node);
  void DropPeers(const Node& node);
  void TickTransfer(const Node& node);
  void AskTransferee(Node& node);
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

  std::map<NodeId, Progress> peers_;  // everybody else in a configuration that may count
  std::optional<Transferring> transfer_;
  LeaderReads reads_;
  Index first_of_term_;
  uint64_t uncommitted_bytes_ = 0;  // data of this term's entries above the commit index
  uint32_t heartbeat_ticks_ = 0;
  uint32_t quorum_ticks_ = 0;
};

}  // namespace regent::raft
