// Bytes on their way out: short ones copied together, long ones shared with their other owners.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/service/call.h"

namespace regent::server {

class ByteQueue {
 public:
  void Append(std::string_view bytes);  // copies
  void Append(const api::SharedBytes& bytes);
  // The next `size_bytes` leave for the end of `to`.
  void MoveTo(size_t size_bytes, ByteQueue& to);
  // The next bytes where they lie, for writev, until the next change; how many places were filled.
  size_t Gather(std::span<iovec> out) const;
  void Drop(size_t size_bytes);  // the next ones
  // Forgets all but the next `size_bytes`, after which nothing is added.
  void Truncate(size_t size_bytes);

  size_t size_bytes() const { return size_bytes_; }
  bool empty() const { return size_bytes_ == 0; }

 private:
  static constexpr size_t kCopyBytesMax = 2048;       // a longer piece is worth a place of its own
  static constexpr size_t kOwnBytesMax = 64 * 1024;   // a queue that never runs empty must not grow one piece for ever
  static constexpr size_t kKeptBytesMax = 16 * 1024;  // of an empty queue, for what comes next
  struct Piece {
    std::string own;  // when `shared` is null
    api::SharedBytes shared;
    std::string_view part;  // of `shared`
    std::string_view bytes() const { return shared == nullptr ? std::string_view(own) : part; }
  };
  std::string_view First() const { return pieces_[first_].bytes().substr(offset_); }
  void Share(const api::SharedBytes& owner, std::string_view part);
  void DropFromFirst(size_t size_bytes);
  void Clear();

  std::vector<Piece> pieces_;
  size_t first_ = 0;   // pieces before it are gone
  size_t offset_ = 0;  // into the first
  size_t size_bytes_ = 0;
};

}  // namespace regent::server
