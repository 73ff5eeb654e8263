#include "raft/reads.h"

#include <algorithm>
#include <utility>

namespace regent::raft {
namespace {

// Rounds confirm each other, so a few are enough to keep the network busy; more would only cost heartbeats.
constexpr size_t kRoundsInFlightMax = 8;

void AppendLocal(const std::vector<LeaderReads::Origin>& origins, std::vector<ReadId>& ids) {
  for (const LeaderReads::Origin& origin : origins) {
    if (const auto* id = std::get_if<ReadId>(&origin)) ids.push_back(*id);
  }
}

}  // namespace

void LeaderReads::Add(Origin origin) {
  waiting_.push_back(origin);
  ++count_;
}

std::vector<LeaderReads::Confirmed> LeaderReads::TakeWaiting(Index commit) {
  std::vector<Confirmed> confirmed;
  confirmed.reserve(waiting_.size());
  for (const Origin& origin : waiting_) confirmed.push_back({origin, commit});
  count_ -= waiting_.size();
  waiting_.clear();
  return confirmed;
}

bool LeaderReads::StartRound(Index commit) {
  if (waiting_.empty() || rounds_.size() >= kRoundsInFlightMax) return false;
  rounds_.push_back({.context = ++context_, .index = commit, .origins = std::exchange(waiting_, {})});
  return true;
}

std::vector<LeaderReads::Confirmed> LeaderReads::ConfirmedThrough(uint64_t context) {
  std::vector<Confirmed> confirmed;
  while (!rounds_.empty() && rounds_.front().context <= context) {
    for (const Origin& origin : rounds_.front().origins) confirmed.push_back({origin, rounds_.front().index});
    rounds_.pop_front();
  }
  count_ -= confirmed.size();
  return confirmed;
}

std::vector<ReadId> LeaderReads::FailAll() {
  std::vector<ReadId> ids;
  for (const Round& round : rounds_) AppendLocal(round.origins, ids);
  AppendLocal(waiting_, ids);
  rounds_.clear();
  waiting_.clear();
  count_ = 0;
  return ids;
}

void FollowerReads::Add(ReadId id) {
  waiting_.push_back(id);
  ++count_;
}

void FollowerReads::Tick(uint32_t ticks_max) {
  for (Round& round : rounds_) ++round.ticks;
  while (!rounds_.empty() && rounds_.front().ticks >= ticks_max) {
    const std::vector<ReadId>& ids = rounds_.front().ids;
    waiting_.insert(waiting_.end(), ids.begin(), ids.end());
    rounds_.pop_front();
  }
}

void FollowerReads::StartRound(uint64_t round) {
  rounds_.push_back({.round = round, .ticks = 0, .ids = std::exchange(waiting_, {})});
}

std::vector<ReadId> FollowerReads::Answered(uint64_t round) {
  const auto found = std::find_if(rounds_.begin(), rounds_.end(), [&](const Round& r) { return r.round == round; });
  if (found == rounds_.end()) return {};
  std::vector<ReadId> ids = std::move(found->ids);
  rounds_.erase(found);
  count_ -= ids.size();
  return ids;
}

std::vector<ReadId> FollowerReads::FailAll() {
  std::vector<ReadId> ids;
  for (const Round& round : rounds_) ids.insert(ids.end(), round.ids.begin(), round.ids.end());
  ids.insert(ids.end(), waiting_.begin(), waiting_.end());
  rounds_.clear();
  waiting_.clear();
  count_ = 0;
  return ids;
}

}  // namespace regent::raft
