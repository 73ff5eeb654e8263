// What Raft promises in every state (the paper's figure 3), watched in every message that any member sends, at the
// moment it is sent and whether it arrives or not:
//
//   * election safety: messages of leaders of one term come from one member;
//   * one vote a term: a member grants its vote of a term to one candidate, over all its lives;
//   * log matching: an entry of one index and term is the same, with the same entry before it, wherever it is sent
//   from;
//   * leader completeness: where the newest leader has an entry that was applied anywhere, it has the same one;
//   * durability: whoever acknowledges entries has them on its disk.
//
// State machine safety is looked after by the truth (truth.h).
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "raft/message.h"
#include "tests/sim/truth.h"

namespace regent::sim {

class RaftInvariants {
 public:
  RaftInvariants(const Truth& truth, Verdict& verdict) : truth_(truth), verdict_(verdict) {}

  // `durable`: the last index in the log on the sender's disk.
  void OnSend(const raft::Message& message, raft::Index durable);

  uint64_t checked() const { return checked_; }

 private:
  struct Seen {
    size_t hash = 0;
    raft::Term before;  // of the entry before it
  };
  void LeaderSpeaks(const raft::Message& message);
  void CheckEntries(const raft::Message& message, const raft::AppendRequest& append);

  const Truth& truth_;
  Verdict& verdict_;
  uint64_t checked_ = 0;
  std::map<raft::Term, raft::NodeId> leaders_;
  std::map<std::pair<raft::NodeId, raft::Term>, raft::NodeId> votes_;
  std::map<std::pair<raft::Index, raft::Term>, Seen> entries_;
  raft::Term newest_;  // of a leader that has spoken
};

}  // namespace regent::sim
