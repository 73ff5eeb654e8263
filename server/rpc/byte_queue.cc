#include "server/rpc/byte_queue.h"

#include <algorithm>
#include <utility>

namespace regent::server {

void ByteQueue::Append(std::string_view bytes) {
  if (first_ == pieces_.size() || pieces_.back().shared != nullptr || pieces_.back().own.size() > kOwnBytesMax) {
    pieces_.emplace_back();
  }
  pieces_.back().own.append(bytes);
  size_bytes_ += bytes.size();
}

void ByteQueue::Append(const api::SharedBytes& bytes) { Share(bytes, *bytes); }

void ByteQueue::Share(const api::SharedBytes& owner, std::string_view part) {
  if (part.size() <= kCopyBytesMax) return Append(part);
  pieces_.push_back({.own = {}, .shared = owner, .part = part});
  size_bytes_ += part.size();
}

void ByteQueue::MoveTo(size_t size_bytes, ByteQueue& to) {
  while (size_bytes > 0) {
    const std::string_view taken = First().substr(0, size_bytes);
    if (const api::SharedBytes& shared = pieces_[first_].shared; shared != nullptr) {
      to.Share(shared, taken);
    } else {
      to.Append(taken);
    }
    size_bytes -= taken.size();
    DropFromFirst(taken.size());
  }
}

size_t ByteQueue::Gather(std::span<iovec> out) const {
  size_t count = 0;
  for (size_t i = first_; i < pieces_.size() && count < out.size(); ++i) {
    const std::string_view bytes = i == first_ ? First() : pieces_[i].bytes();
    if (!bytes.empty()) out[count++] = {const_cast<char*>(bytes.data()), bytes.size()};
  }
  return count;
}

void ByteQueue::Drop(size_t size_bytes) {
  while (size_bytes > 0) {
    const size_t taken = std::min(First().size(), size_bytes);
    size_bytes -= taken;
    DropFromFirst(taken);
  }
}

void ByteQueue::DropFromFirst(size_t size_bytes) {
  size_bytes_ -= size_bytes;
  if (size_bytes_ == 0) return Clear();
  offset_ += size_bytes;
  if (offset_ < pieces_[first_].bytes().size()) return;
  pieces_[first_] = {};
  ++first_;
  offset_ = 0;
  if (first_ > 64 && first_ * 2 > pieces_.size()) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

void ByteQueue::Truncate(size_t size_bytes) {
  if (size_bytes == 0) return Clear();
  size_t kept_bytes = 0;
  size_t end = first_;
  for (; kept_bytes < size_bytes; ++end) kept_bytes += pieces_[end].bytes().size() - (end == first_ ? offset_ : 0);
  pieces_.resize(end);
  size_bytes_ = size_bytes;
}

void ByteQueue::Clear() {
  first_ = 0;
  offset_ = 0;
  size_bytes_ = 0;
  if (pieces_.empty()) return;
  if (pieces_.back().shared != nullptr || pieces_.back().own.capacity() > kKeptBytesMax) return pieces_.clear();
  if (pieces_.size() > 1) {
    pieces_.front() = std::move(pieces_.back());
    pieces_.resize(1);
  }
  pieces_.front().own.clear();
}

}  // namespace regent::server
