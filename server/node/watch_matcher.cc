#include "server/node/watch_matcher.h"

#include <tuple>
#include <utility>

#include "glog/logging.h"

namespace regent::server {

// A treap ordered by (begin, end), heap-ordered by priority; `last_end` is the greatest end of the subtree.
struct WatchMatcher::RangeNode {
  std::string begin;
  std::string end;       // as the wire says it; kFromKey: no end
  std::string last_end;  // kFromKey: some range has no end
  uint64_t priority = 0;
  Group group;
  std::unique_ptr<RangeNode> left, right;
};

namespace {

bool EndsAfter(std::string_view end, std::string_view key) { return api::IsFromKey(end) || end > key; }

const std::string& LaterEnd(const std::string& a, const std::string& b) {
  if (api::IsFromKey(a)) return a;
  if (api::IsFromKey(b)) return b;
  return a < b ? b : a;
}

}  // namespace

WatchMatcher::WatchMatcher() = default;
WatchMatcher::~WatchMatcher() = default;

void WatchMatcher::Add(Watcher& watcher) {
  ++size_;
  if (api::IsSingleKey(watcher.interest.range_end)) return AddTo(keys_[watcher.interest.key], watcher);
  Insert(ranges_, watcher);
}

void WatchMatcher::Remove(Watcher& watcher) {
  CHECK_GT(size_, 0u);
  --size_;
  if (!api::IsSingleKey(watcher.interest.range_end)) return Erase(ranges_, watcher);
  const auto group = keys_.find(watcher.interest.key);
  CHECK(group != keys_.end()) << "watcher " << watcher.serial << " is not in the matcher";
  RemoveFrom(group->second, watcher);
  if (group->second.empty()) keys_.erase(group);
}

void WatchMatcher::Match(const std::string& key, absl::FunctionRef<void(Watcher&)> visit) const {
  if (const auto group = keys_.find(key); group != keys_.end()) {
    for (Watcher* watcher : group->second) visit(*watcher);
  }
  MatchRanges(ranges_.get(), key, visit);
}

void WatchMatcher::ForEach(absl::FunctionRef<void(Watcher&)> visit) const {
  for (const auto& [key, group] : keys_) {
    for (Watcher* watcher : group) visit(*watcher);
  }
  VisitAll(ranges_.get(), visit);
}

void WatchMatcher::AddTo(Group& group, Watcher& watcher) {
  watcher.slot = group.size();
  group.push_back(&watcher);
}

void WatchMatcher::RemoveFrom(Group& group, Watcher& watcher) {
  CHECK(watcher.slot < group.size() && group[watcher.slot] == &watcher) << "watcher " << watcher.serial;
  group[watcher.slot] = group.back();
  group[watcher.slot]->slot = watcher.slot;
  group.pop_back();
}

void WatchMatcher::Update(RangeNode& node) {
  node.last_end = node.end;
  if (node.left) node.last_end = LaterEnd(node.last_end, node.left->last_end);
  if (node.right) node.last_end = LaterEnd(node.last_end, node.right->last_end);
}

std::unique_ptr<WatchMatcher::RangeNode> WatchMatcher::Merge(std::unique_ptr<RangeNode> left,
                                                             std::unique_ptr<RangeNode> right) {
  if (!left) return right;
  if (!right) return left;
  if (left->priority > right->priority) {
    left->right = Merge(std::move(left->right), std::move(right));
    Update(*left);
    return left;
  }
  right->left = Merge(std::move(left), std::move(right->left));
  Update(*right);
  return right;
}

void WatchMatcher::Insert(std::unique_ptr<RangeNode>& at, Watcher& watcher) {
  const WatchInterest& interest = watcher.interest;
  if (!at) {
    at = std::make_unique<RangeNode>();
    at->begin = interest.key;
    at->end = at->last_end = interest.range_end;
    // xorshift: balance needs spread, not chance.
    priority_state_ ^= priority_state_ << 13;
    priority_state_ ^= priority_state_ >> 7;
    priority_state_ ^= priority_state_ << 17;
    at->priority = priority_state_;
    return AddTo(at->group, watcher);
  }
  const auto wanted = std::tie(interest.key, interest.range_end);
  const auto here = std::tie(at->begin, at->end);
  if (wanted == here) return AddTo(at->group, watcher);
  std::unique_ptr<RangeNode>& side = wanted < here ? at->left : at->right;
  const bool left = wanted < here;
  Insert(side, watcher);
  if (side->priority > at->priority) {  // rotate it up
    std::unique_ptr<RangeNode> child = std::move(side);
    if (left) {
      at->left = std::move(child->right);
      Update(*at);
      child->right = std::move(at);
    } else {
      at->right = std::move(child->left);
      Update(*at);
      child->left = std::move(at);
    }
    at = std::move(child);
  }
  Update(*at);
}

void WatchMatcher::Erase(std::unique_ptr<RangeNode>& at, Watcher& watcher) {
  const WatchInterest& interest = watcher.interest;
  CHECK(at) << "watcher " << watcher.serial << " is not in the matcher";
  const auto wanted = std::tie(interest.key, interest.range_end);
  const auto here = std::tie(at->begin, at->end);
  if (wanted == here) {
    RemoveFrom(at->group, watcher);
    if (at->group.empty()) at = Merge(std::move(at->left), std::move(at->right));
    return;
  }
  Erase(wanted < here ? at->left : at->right, watcher);
  Update(*at);
}

void WatchMatcher::MatchRanges(const RangeNode* node, std::string_view key, absl::FunctionRef<void(Watcher&)> visit) {
  if (node == nullptr || !EndsAfter(node->last_end, key)) return;
  MatchRanges(node->left.get(), key, visit);
  if (node->begin > key) return;
  if (EndsAfter(node->end, key)) {
    for (Watcher* watcher : node->group) visit(*watcher);
  }
  MatchRanges(node->right.get(), key, visit);
}

void WatchMatcher::VisitAll(const RangeNode* node, absl::FunctionRef<void(Watcher&)> visit) {
  if (node == nullptr) return;
  VisitAll(node->left.get(), visit);
  for (Watcher* watcher : node->group) visit(*watcher);
  VisitAll(node->right.get(), visit);
}

}  // namespace regent::server
