// Which live watchers want an event of a key: exact keys in a hash map, ranges in a balanced tree of intervals. A
// lookup costs O(1) + O(log ranges + hits), however many watchers share a key or a range.
//
// Owner: the watch loop.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "server/node/watcher.h"

namespace regent::server {

class WatchMatcher {
 public:
  WatchMatcher();
  ~WatchMatcher();

  void Add(Watcher& watcher);
  void Remove(Watcher& watcher);

  // `visit` must not change the matcher.
  void Match(const std::string& key, absl::FunctionRef<void(Watcher&)> visit) const;
  void ForEach(absl::FunctionRef<void(Watcher&)> visit) const;

  size_t size() const { return size_; }

 private:
  using Group = std::vector<Watcher*>;
  struct RangeNode;

  static void AddTo(Group& group, Watcher& watcher);
  static void RemoveFrom(Group& group, Watcher& watcher);
  static void Update(RangeNode& node);
  static std::unique_ptr<RangeNode> Merge(std::unique_ptr<RangeNode> left, std::unique_ptr<RangeNode> right);
  void Insert(std::unique_ptr<RangeNode>& at, Watcher& watcher);
  void Erase(std::unique_ptr<RangeNode>& at, Watcher& watcher);
  static void MatchRanges(const RangeNode* node, std::string_view key, absl::FunctionRef<void(Watcher&)> visit);
  static void VisitAll(const RangeNode* node, absl::FunctionRef<void(Watcher&)> visit);

  absl::flat_hash_map<std::string, Group> keys_;
  std::unique_ptr<RangeNode> ranges_;
  uint64_t priority_state_ = 0x9e3779b97f4a7c15;
  size_t size_ = 0;
};

}  // namespace regent::server
