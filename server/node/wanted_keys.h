// The keys whose previous value some watcher wants in its events. The watch loop maintains the set and publishes it as
// an immutable snapshot; the apply loop asks the snapshot. A snapshot may be a moment old: an event that lacks a
// previous value that a watcher wants sends that watcher to a catch-up read, so only speed depends on it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "server/node/watcher.h"
#include "server/runtime/mutex.h"

namespace regent::server {

class WantedKeys {
 public:
  using Interests = std::map<std::pair<std::string, std::string>, size_t>;  // (key, range_end) → watchers

  WantedKeys() = default;
  explicit WantedKeys(const Interests& interests);

  bool Contains(std::string_view key) const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
  };
  struct Range {
    std::string begin;
    std::string end;
    bool endless = false;
  };
  std::unordered_set<std::string, Hash, std::equal_to<>> keys_;
  std::vector<Range> ranges_;  // ascending, disjoint
};

// Owner: the watch loop, except for `published`.
class WantedKeysPublisher {
 public:
  void Add(const WatchInterest& interest);
  void Remove(const WatchInterest& interest);

  // The set has changed since the last Publish.
  bool changed() const { return changed_; }
  size_t size() const { return interests_.size(); }
  void Publish();

  // From any thread; never null.
  std::shared_ptr<const WantedKeys> published() const;

 private:
  WantedKeys::Interests interests_;
  bool changed_ = false;

  mutable Mutex mutex_;
  std::shared_ptr<const WantedKeys> published_ ABSL_GUARDED_BY(mutex_) = std::make_shared<WantedKeys>();
};

}  // namespace regent::server
