// The timers of one loop: tasks by due time, first in first out among equals. Not safe by itself: the loop that owns it
// guards it.
#pragma once

#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "server/runtime/loop.h"

namespace regent::server {

class Timers {
 public:
  Loop::TimerId Add(MonotonicTime due, Loop::Task task);

  // The task, so that the caller can destroy it outside its lock; empty when the timer has run.
  std::optional<Loop::Task> Remove(Loop::TimerId id);

  // Takes the earliest task that is due at `now`.
  std::optional<Loop::Task> TakeDue(MonotonicTime now);

  // When the earliest timer is due; MonotonicTime::max() when there is none.
  MonotonicTime next_due() const { return tasks_.empty() ? MonotonicTime::max() : tasks_.begin()->first.first; }
  bool empty() const { return tasks_.empty(); }

 private:
  using Key = std::pair<MonotonicTime, uint64_t>;
  std::map<Key, Loop::Task> tasks_;
  std::unordered_map<uint64_t, MonotonicTime> due_;
  uint64_t last_id_ = 0;
};

}  // namespace regent::server
