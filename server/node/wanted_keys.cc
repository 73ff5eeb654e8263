#include "server/node/wanted_keys.h"

#include <algorithm>

#include "glog/logging.h"

namespace regent::server {

// The map is in the order of the keys, so ranges come by their beginnings and merge with the one before.
WantedKeys::WantedKeys(const Interests& interests) {
  for (const auto& [interest, watchers] : interests) {
    const auto& [key, range_end] = interest;
    if (api::IsSingleKey(range_end)) {
      keys_.insert(key);
      continue;
    }
    const bool endless = api::IsFromKey(range_end);
    if (!ranges_.empty() && (ranges_.back().endless || key <= ranges_.back().end)) {
      Range& last = ranges_.back();
      if (endless) last.endless = true;
      if (last.end < range_end) last.end = range_end;
      continue;
    }
    ranges_.push_back({.begin = key, .end = range_end, .endless = endless});
  }
}

bool WantedKeys::Contains(std::string_view key) const {
  if (!keys_.empty() && keys_.find(key) != keys_.end()) return true;
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), key,
                                      [](std::string_view wanted, const Range& range) { return wanted < range.begin; });
  if (after == ranges_.begin()) return false;
  const Range& range = *std::prev(after);
  return range.endless || key < range.end;
}

void WantedKeysPublisher::Add(const WatchInterest& interest) {
  if (!interest.prev_kv) return;
  if (++interests_[{interest.key, interest.range_end}] == 1) changed_ = true;
}

void WantedKeysPublisher::Remove(const WatchInterest& interest) {
  if (!interest.prev_kv) return;
  const auto found = interests_.find({interest.key, interest.range_end});
  CHECK(found != interests_.end());
  if (--found->second > 0) return;
  interests_.erase(found);
  changed_ = true;
}

void WantedKeysPublisher::Publish() {
  auto next = std::make_shared<const WantedKeys>(interests_);
  changed_ = false;
  MutexLock lock(mutex_);
  published_.swap(next);
}

std::shared_ptr<const WantedKeys> WantedKeysPublisher::published() const {
  MutexLock lock(mutex_);
  return published_;
}

}  // namespace regent::server
