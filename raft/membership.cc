#include "raft/membership.h"

#include <algorithm>
#include <utility>

#include "raft/check.h"
#include "raft/configuration.h"
#include "raft/quorum.h"

namespace regent::raft {

Membership::Membership(PlacedConfiguration first, std::vector<PlacedConfiguration> later) {
  history_.push_back(std::move(first));
  for (PlacedConfiguration& placed : later) Append(placed.index, std::move(placed.configuration));
}

bool Membership::MayCampaign(NodeId id) const {
  return std::any_of(history_.begin(), history_.end(),
                     [&](const PlacedConfiguration& placed) { return IsVoter(placed.configuration, id); });
}

bool Membership::IsMemberOfAny(NodeId id) const {
  return std::any_of(history_.begin(), history_.end(),
                     [&](const PlacedConfiguration& placed) { return IsMember(placed.configuration, id); });
}

void Membership::Append(Index index, Configuration configuration) {
  RAFT_CHECK(index > this->index(), index.value, this->index().value);
  history_.push_back({index, std::move(configuration)});
}

void Membership::TruncateFrom(Index first) {
  while (history_.back().index >= first) {
    history_.pop_back();
    RAFT_CHECK(!history_.empty(), first.value);  // the first one is committed
  }
}

void Membership::Committed(Index commit) {
  while (history_.size() > 1 && history_[1].index <= commit) history_.erase(history_.begin());
}

void Membership::Reset(PlacedConfiguration only) { history_ = {std::move(only)}; }

}  // namespace regent::raft
