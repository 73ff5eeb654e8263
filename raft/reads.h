// Linearizable reads by ReadIndex (thesis, section 6.4).
//
// The leader gathers reads into rounds. A round fixes the commit index when it starts and sends its number, the
// context, with heartbeats; it is confirmed when a quorum has answered a heartbeat with that context or a later one:
// each of those answers was given after the round started, in the leader's term, so no later leader had been elected by
// then. Contexts only grow within a term, a repeated or late answer can confirm only what it proves, and a lost
// heartbeat is made good by the next one.
//
// A follower gathers reads into rounds, too, and asks the leader for an index. A round's number is never used twice,
// not even after a restart (the numbers begin at a random place), so an answer to an old request cannot satisfy a new
// read.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <variant>
#include <vector>

#include "raft/output.h"
#include "raft/types.h"

namespace regent::raft {

class LeaderReads {
 public:
  struct Remote {
    NodeId node;
    uint64_t round;
  };
  using Origin = std::variant<ReadId, Remote>;
  struct Confirmed {
    Origin origin;
    Index index;
  };

  bool HasRoom(uint32_t reads_max) const { return count_ < reads_max; }
  void Add(Origin origin);

  // All waiting reads, answered at `commit` without a round: for a node that is the quorum by itself.
  std::vector<Confirmed> TakeWaiting(Index commit);

  // Starts a round for the waiting reads; true: heartbeats with context() must go out.
  bool StartRound(Index commit);
  uint64_t context() const { return context_; }
  std::vector<Confirmed> ConfirmedThrough(uint64_t context);

  std::vector<ReadId> FailAll();  // the remote ones are told by the change of leader

 private:
  struct Round {
    uint64_t context;
    Index index;
    std::vector<Origin> origins;
  };

  size_t count_ = 0;  // waiting and in rounds
  std::vector<Origin> waiting_;
  std::deque<Round> rounds_;
  uint64_t context_ = 0;
};

class FollowerReads {
 public:
  bool HasRoom(uint32_t reads_max) const { return count_ < reads_max; }
  void Add(ReadId id);

  // Ends the rounds without an answer for `ticks_max` ticks; their reads wait for a new round.
  void Tick(uint32_t ticks_max);
  bool HasWaiting() const { return !waiting_.empty(); }
  void StartRound(uint64_t round);
  std::vector<ReadId> Answered(uint64_t round);  // empty: not an answer to a round that is out

  std::vector<ReadId> FailAll();

 private:
  struct Round {
    uint64_t round;
    uint32_t ticks;
    std::vector<ReadId> ids;
  };

  size_t count_ = 0;
  std::vector<ReadId> waiting_;
  std::deque<Round> rounds_;  // oldest first
};

}  // namespace regent::raft
