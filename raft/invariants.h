// The safety properties of the paper (figure 3) and of this implementation, checked from outside, for tests and the
// simulator. A checker remembers history, so it also sees what no single state shows: two leaders of one term at
// different times, an entry committed and later lost.
//
//   election safety       at most one leader per term
//   leader append-only    a leader never shortens or overwrites its log
//   log matching          (index, term) determines the entry and the one before it, in every log ever seen
//   leader completeness   a new leader's log holds everything committed before
//   state machine safety  every node applies the same entry at the same index: in order, once, committed, durable there
//   durability            a commit stands on the disks of a quorum; what a message promises is on its sender's disk
//   configurations        a leader has at most one change under way, none before it committed in its term, and any two
//                         configurations that follow each other have intersecting quorums
//   monotony              commit index and term never go back within a run
//   linearizability       a read index is no lower than any commit known anywhere when the read began
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "raft/core.h"
#include "raft/message.h"
#include "raft/types.h"

namespace regent::raft {

// The disk of a node as far as it is durable.
struct DurableState {
  HardState hard_state;
  Index base;
  Term base_term;
  std::vector<Entry> entries;  // from base + 1 on

  Index last() const { return Index{base.value + entries.size()}; }
  // nullptr: not held.
  const Entry* At(Index index) const;
};

class InvariantChecker {
 public:
  struct Observed {
    const Core* core;
    const DurableState* disk;
  };

  // After every step: the nodes that are up, and all disks (those of crashed nodes count in quorums).
  void Check(std::span<const Observed> up, const std::map<NodeId, const DurableState*>& disks);

  void Started(NodeId node, Index applied);              // also after a crash
  void BeginsCommitted(std::span<const Entry> entries);  // a test that begins with a history: its committed log
  void Applied(NodeId node, const Entry& entry, const DurableState& disk);
  void Installed(NodeId node, const SnapshotToInstall& snapshot);
  void Sent(const Message& message, const DurableState& sender);
  void ReadAsked(NodeId node, ReadId id);
  void ReadAnswered(NodeId node, ReadId id, Index index);

  const std::vector<std::string>& violations() const { return violations_; }
  Index committed() const { return Index{committed_.size()}; }
  uint64_t leaders_seen() const { return leaders_.size(); }

 private:
  struct Known {
    Term previous_term;
    Entry entry;
  };
  struct Run {
    Term term;
    Term led;  // the term in which it was last seen leading
    Index commit;
    Index applied;
    std::vector<Term> terms;        // of the log as last seen, from index 1
    std::map<ReadId, Index> reads;  // floor of each
  };

  void CheckCore(const Observed& node, Run& run);
  void CheckLeader(const Observed& node);
  void CheckLog(const Observed& node, Run& run);
  void CheckConfiguration(const Observed& node);
  void CheckCommit(const Observed& node, Run& run, const std::map<NodeId, const DurableState*>& disks);
  void Commit(const Entry& entry);
  void Fail(NodeId node, const std::string& what);

  std::map<Term, NodeId> leaders_;
  std::map<std::pair<Index, Term>, Known> entries_;
  std::vector<Entry> committed_;                 // from index 1
  std::vector<Index> committed_configurations_;  // the configuration entries among them
  std::map<NodeId, Run> runs_;
  std::vector<std::string> violations_;
};

}  // namespace regent::raft
