// A loop on a thread of its own.
//
// Posting costs one short lock; the thread is woken only when it sleeps. The thread takes the whole queue at once and
// runs it, so that under load one lock and no wake-up serve many tasks. A busy loop looks for new work for `spin_max`
// before it sleeps, if looking has paid off lately and nobody else wants the processor: a thread that spins where
// others wait uses up its share, and then waits itself when it has work.
//
// A task that finds the loop asleep may be run by the thread that posted it, inside Post, as if that were the loop's
// thread: no wake-up at all, which costs tens of microseconds on a virtual machine. Order and "one at a time" hold as
// before; only the thread differs. Who may help:
//   * any thread, with `any_thread_helps`: for loops whose tasks are short;
//   * the thread of one loop that has nothing of its own to do, with `helper`: for loops whose tasks may be long.
// What a helper posts to other such loops runs after what it is at. It leaves to the loop's own thread what is still
// there after a few rounds. A post must not happen under a lock that the loop's tasks take.
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
    bool any_thread_helps = false;
    const ThreadLoop* helper = nullptr;  // outlives this loop
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

 private:
  void Run();
  void RunTasks(std::vector<Task>& batch);
  void RunDueTimers();
  // Fills `batch`; false when the loop is to end.
  bool TakeBatch(std::vector<Task>& batch);
  void Spin();
  bool InterruptedLately();

  // On the thread that helps.
  bool MayHelp() const;
  static void HelpClaimed();
  void RunAsHelper();
  bool Idle() const { return tasks_left_ == 0 && !has_work_.load(std::memory_order_relaxed); }

  const Options options_;

  Mutex mutex_;
  Condition wake_;
  std::vector<Task> queue_ ABSL_GUARDED_BY(mutex_);
  Timers timers_ ABSL_GUARDED_BY(mutex_);
  bool sleeping_ ABSL_GUARDED_BY(mutex_) = false;          // the thread waits, or a helper runs
  bool helped_ ABSL_GUARDED_BY(mutex_) = false;            // a helper runs the tasks: the thread must not
  bool waits_for_helper_ ABSL_GUARDED_BY(mutex_) = false;  // the thread has something to do after it
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;

  std::atomic<bool> has_work_{false};  // a hint for Idle: the queue is not empty
  int spin_credit_ = 0;                // of the thread: how much looking has paid off lately
  int64_t interruptions_ = 0;          // of the thread: how often the kernel took its processor away
  MonotonicTime interrupted_at_;       // when that was last noticed
  std::vector<Task> helper_batch_;     // of whoever set helped_

  size_t tasks_left_ = 0;  // of the batch that the thread runs; of the thread alone

  std::thread thread_;  // last: it uses everything above
};

}  // namespace regent::server
