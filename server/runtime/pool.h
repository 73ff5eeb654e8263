// The background loop: a few threads that share one queue. Tasks begin in the order posted and may run at the same
// time, so each is a job object of its own that touches immutable data and posts its result to the loop that asked.
#pragma once

#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "server/runtime/loop.h"
#include "server/runtime/mutex.h"
#include "server/runtime/timers.h"

namespace regent::server {

class Pool final : public Loop {
 public:
  // `niceness` of its threads, 0 to 19: others who want the processor come before a nice one.
  Pool(const std::string& name, int threads, int niceness = 0);
  ~Pool() override;

  // Runs everything posted before, then ends the threads. Not on a thread of the pool. A second call does nothing.
  void Stop();

  void Post(Task task) override;
  TimerId PostAfter(Duration delay, Task task) override;
  // A task that has begun on another thread is not stopped.
  void Cancel(TimerId timer) override;
  MonotonicTime Now() const override { return std::chrono::steady_clock::now(); }

 private:
  void Run(int niceness);

  Mutex mutex_;
  Condition wake_;
  std::deque<Task> queue_ ABSL_GUARDED_BY(mutex_);
  Timers timers_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace regent::server
