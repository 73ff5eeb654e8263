// A loop: a queue of tasks run one at a time, in order. It owns the state that its tasks touch; others Post to it.
//
// This is the seam of time and scheduling. Production runs ThreadLoop, a thread each; the simulator runs every loop of
// every node on one thread under virtual time. Nothing outside server/runtime reads a clock or starts a timer.
#pragma once

#include <chrono>
#include <cstdint>

#include "absl/functional/any_invocable.h"

namespace regent::server {

using MonotonicTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

class Loop {
 public:
  using Task = absl::AnyInvocable<void()>;
  enum class TimerId : uint64_t { kNone = 0 };

  virtual ~Loop() = default;

  // Runs `task` on the loop after everything posted before. From any thread. After Stop the task is dropped.
  virtual void Post(Task task) = 0;

  // Runs `task` on the loop once, `delay` from now. On the loop or from any thread.
  virtual TimerId PostAfter(Duration delay, Task task) = 0;

  // A cancelled task does not run, provided that Cancel is called on the loop.
  virtual void Cancel(TimerId timer) = 0;

  virtual MonotonicTime Now() const = 0;
};

}  // namespace regent::server
