#include "server/rpc/h2_stream.h"

#include <algorithm>
#include <utility>

namespace regent::server {

void SendQueue::AddCopy(std::string_view bytes) {
  constexpr size_t kPieceBytesMax = 64 * 1024;  // a queue that never runs empty must not grow one piece for ever
  if (first_ == pieces_.size() || pieces_.back().shared != nullptr || pieces_.back().own.size() > kPieceBytesMax) {
    pieces_.emplace_back();
  }
  pieces_.back().own.append(bytes);
}

void SendQueue::Add(const api::WireMessage& message, size_t size_bytes) {
  AddPrefix(size_bytes);
  AddPart(message);
}

void SendQueue::AddPrefix(size_t message_bytes) {
  AddCopy(MessagePrefix(message_bytes));
  size_bytes_ += kMessagePrefixBytes;
}

void SendQueue::AddPart(const api::WireMessage& part) {
  for (const api::SharedBytes& piece : part) {
    size_bytes_ += piece->size();
    if (piece->size() <= kCopyBytesMax) {
      AddCopy(*piece);
    } else {
      pieces_.push_back({.own = {}, .shared = piece});
    }
  }
}

void SendQueue::CopyOut(size_t size_bytes, std::string& out) {
  size_bytes_ -= size_bytes;
  while (size_bytes > 0) {
    const std::string_view rest = pieces_[first_].bytes().substr(offset_);
    const size_t taken = std::min(rest.size(), size_bytes);
    out.append(rest.substr(0, taken));
    size_bytes -= taken;
    offset_ += taken;
    if (taken < rest.size()) return;
    pieces_[first_] = {};
    ++first_;
    offset_ = 0;
  }
  if (first_ < pieces_.size() && offset_ == pieces_[first_].bytes().size()) {  // an empty rest
    pieces_[first_] = {};
    ++first_;
    offset_ = 0;
  }
  if (first_ == pieces_.size()) {
    pieces_.clear();
    first_ = 0;
  } else if (first_ > 64 && first_ * 2 > pieces_.size()) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

void SendQueue::Truncate(size_t size_bytes) {
  size_t kept_bytes = 0;
  size_t end = first_;
  for (; kept_bytes < size_bytes; ++end) kept_bytes += pieces_[end].bytes().size() - (end == first_ ? offset_ : 0);
  pieces_.resize(end);
  size_bytes_ = size_bytes;
  if (size_bytes > 0) return;
  pieces_.clear();
  first_ = 0;
  offset_ = 0;
}

// ---- H2Stream ------------------------------------------------------------------------------------------------------

void H2Stream::ReadFrom(std::unique_ptr<api::MessageSource> from) {
  source = std::move(from);
  source_bytes = source->size_bytes();
  queue.AddPrefix(source_bytes);
}

size_t H2Stream::Refill() {
  constexpr size_t kLittleBytes = 128 * 1024;
  const size_t before = queue.size_bytes();
  while (source != nullptr && queue.size_bytes() < kLittleBytes) {
    const size_t queued = queue.size_bytes();
    queue.AddPart(source->Next());
    source_bytes -= queue.size_bytes() - queued;
    if (source_bytes == 0) source = nullptr;
  }
  return queue.size_bytes() - before;
}

}  // namespace regent::server
