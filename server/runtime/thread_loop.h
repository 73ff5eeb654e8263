// A loop on a thread of its own.
//
// Posting costs one short lock; the thread is woken only when it sleeps. The thread takes the whole queue at once and
// runs it, so that under load one lock and no wake-up serve many tasks. A busy loop looks for new work for `spin_max`
// before it sleeps, if looking has paid off lately: a wake-up on a virtual machine costs tens of microseconds.
//
// Promises beyond loop.h:
//   * a timer's task runs between two tasks of the queue's batches, never before its time;
//   * Stop runs everything posted before it, then ends the thread; timers that are not due are dropped. Tasks posted
//     later are dropped, that is, destroyed on the posting thread.
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "server/runtime/loop.h"
#include "server/runtime/mutex.h"
#include "server/runtime/timers.h"

namespace regent::server {

class ThreadLoop final : public Loop {
 public:
  struct Options {
    std::string name;      // of the thread, at most 15 characters
    Duration spin_max{0};  // 0: sleep at once
  };

  // The thread starts with the object.
  explicit ThreadLoop(Options options);
  ~ThreadLoop() override;

  // Blocks until the thread has ended. Not on the loop itself. A second call does nothing.
  void Stop();

  void Post(Task task) override;
  TimerId PostAfter(Duration delay, Task task) override;
  void Cancel(TimerId timer) override;
  MonotonicTime Now() const override { return std::chrono::steady_clock::now(); }

  bool on_loop() const { return std::this_thread::get_id() == thread_.get_id(); }

 private:
  void Run();
  void RunDueTimers();
  // Fills `batch`; false when the loop is to end.
  bool TakeBatch(std::vector<Task>& batch);
  void Spin();

  const Options options_;

  Mutex mutex_;
  Condition wake_;
  std::vector<Task> queue_ ABSL_GUARDED_BY(mutex_);
  Timers timers_ ABSL_GUARDED_BY(mutex_);
  bool sleeping_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;

  std::atomic<bool> has_work_{false};  // a hint for Spin: the queue is not empty
  int spin_credit_ = 0;                // of the thread alone: how much looking has paid off lately

  std::thread thread_;  // last: it uses everything above
};

}  // namespace regent::server
