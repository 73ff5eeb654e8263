// A bounded queue into a loop for one kind of item: many threads put, the loop takes everything at once. One task is
// posted per batch instead of one per item, and an item costs no allocation of its own.
#pragma once

#include <utility>
#include <vector>

#include "server/runtime/loop.h"
#include "server/runtime/mutex.h"

namespace regent::server {

template <typename T>
class Mailbox {
 public:
  enum class Put : uint8_t { kFirst, kMore, kFull, kClosed };

  explicit Mailbox(size_t items_max) : items_max_(items_max) {}

  // kFirst: the box was empty, the caller posts the task that takes. kFull and kClosed leave `item` as it was.
  Put Add(T& item) {
    MutexLock lock(mutex_);
    if (closed_) return Put::kClosed;
    if (items_.size() >= items_max_) return Put::kFull;
    items_.push_back(std::move(item));
    return items_.size() == 1 ? Put::kFirst : Put::kMore;
  }

  // Everything, in the order put. `into` lends its memory.
  void Take(std::vector<T>& into) {
    into.clear();
    MutexLock lock(mutex_);
    into.swap(items_);
  }

  // Nothing is taken in any more.
  void Close() {
    MutexLock lock(mutex_);
    closed_ = true;
  }

 private:
  const size_t items_max_;
  Mutex mutex_;
  std::vector<T> items_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace regent::server
