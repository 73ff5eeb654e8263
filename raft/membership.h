// The configurations that a node's log holds: the newest one counts from the moment it is appended, committed or not;
// the older ones are needed again when the log is truncated.
//
// Kept are the newest configuration at or below the commit index and everything above it. A leader adds one only when
// the one before is committed, but a follower may learn of commits late and so keep several.
//
// Why a node may campaign that its newest configuration leaves out, as a story:
//   1. {1, 2, 3} changes to {4}. The joint entry is committed; leader 1 appends the entry {4} and nobody receives it.
//   2. Node 2 dies for good, 1 restarts. 4 and 3 are still in the joint configuration: they need two votes of 1, 2, 3,
//      and 1 refuses because its log is longer.
//   3. Only 1 can win: its newest configuration asks 4 alone. It brings {4} to 4, commits it, and is out.
// So whoever votes in any configuration that may still count may campaign (thesis, section 4.2.2).
#pragma once

#include <vector>

#include "raft/types.h"

namespace regent::raft {

class Membership {
 public:
  // `first` is committed; `later` follows it in the log, ascending.
  Membership(PlacedConfiguration first, std::vector<PlacedConfiguration> later);

  const Configuration& current() const { return history_.back().configuration; }
  Index index() const { return history_.back().index; }  // of the entry of current()
  const std::vector<PlacedConfiguration>& history() const { return history_; }

  bool MayCampaign(NodeId id) const;
  bool IsMemberOfAny(NodeId id) const;

  void Append(Index index, Configuration configuration);
  void TruncateFrom(Index first);
  void Committed(Index commit);  // forgets what a truncation cannot bring back
  void Reset(PlacedConfiguration only);

 private:
  std::vector<PlacedConfiguration> history_;  // never empty, ascending
};

}  // namespace regent::raft
