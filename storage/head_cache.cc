#include "storage/head_cache.h"

#include <utility>

#include "absl/strings/string_view.h"

namespace regent::storage {
namespace {

constexpr size_t kRestBytesMax = 64;
constexpr size_t kEntryOverheadBytes = 240;  // the slot with its load factor, a small rest, the key's own allocation

absl::string_view Bridge(std::string_view text) { return absl::string_view(text.data(), text.size()); }

}  // namespace

Head HeadCache::Keep(Head head) {
  if (head.rest.size() > kRestBytesMax) {
    head.rest = std::string();
    head.rest_known = false;
  }
  return head;
}

Head* HeadCache::Find(std::string_view key) {
  if (const auto young = young_.find(Bridge(key)); young != young_.end()) return &young->second;
  const auto old = old_.find(Bridge(key));
  if (old == old_.end()) return nullptr;
  Head head = std::move(old->second);
  old_.erase(old);
  return Set(key, std::move(head));
}

Head* HeadCache::Set(std::string_view key, Head head) {
  const auto [entry, inserted] = young_.try_emplace(std::string(key));
  if (inserted) {
    young_bytes_ += key.size() + kEntryOverheadBytes;
    if (!old_.empty()) old_.erase(Bridge(key));
  }
  entry->second = Keep(std::move(head));
  return &entry->second;
}

void HeadCache::Trim() {
  if (young_bytes_ <= half_bytes_max_) return;
  old_ = std::exchange(young_, {});
  young_bytes_ = 0;
}

}  // namespace regent::storage
