#include "server/runtime/thread_loop.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "glog/logging.h"

namespace regent::server {
namespace {

constexpr int kSpinCreditMax = 8;

inline void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

ThreadLoop::ThreadLoop(Options options) : options_(std::move(options)), thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), options_.name.substr(0, 15).c_str());
}

ThreadLoop::~ThreadLoop() { Stop(); }

void ThreadLoop::Stop() {
  CHECK(!on_loop()) << "loop " << options_.name << " cannot wait for its own end";
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    has_work_.store(true, std::memory_order_relaxed);
    wake_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

void ThreadLoop::Post(Task task) {
  bool wake = false;
  {
    MutexLock lock(mutex_);
    if (ended_) return;
    queue_.push_back(std::move(task));
    wake = std::exchange(sleeping_, false);
    has_work_.store(true, std::memory_order_relaxed);
  }
  if (wake) wake_.NotifyOne();
}

Loop::TimerId ThreadLoop::PostAfter(Duration delay, Task task) {
  const MonotonicTime due = Now() + delay;
  bool wake = false;
  TimerId id;
  {
    MutexLock lock(mutex_);
    if (ended_) return TimerId::kNone;
    wake = due < timers_.next_due() && std::exchange(sleeping_, false);
    id = timers_.Add(due, std::move(task));
  }
  if (wake) wake_.NotifyOne();
  return id;
}

void ThreadLoop::Cancel(TimerId timer) {
  std::optional<Task> removed;  // destroyed outside the lock
  MutexLock lock(mutex_);
  removed = timers_.Remove(timer);
}

void ThreadLoop::Run() {
  std::vector<Task> batch;
  while (TakeBatch(batch)) {
    for (Task& task : batch) {
      task();
      task = nullptr;
    }
    batch.clear();
    RunDueTimers();
  }
}

// One at a time: a task may cancel the next one.
void ThreadLoop::RunDueTimers() {
  {
    MutexLock lock(mutex_);
    if (timers_.empty()) return;
  }
  const MonotonicTime now = Now();
  while (true) {
    std::optional<Task> task;
    {
      MutexLock lock(mutex_);
      task = timers_.TakeDue(now);
    }
    if (!task.has_value()) return;
    (*task)();
  }
}

bool ThreadLoop::TakeBatch(std::vector<Task>& batch) {
  if (options_.spin_max > Duration::zero()) Spin();
  MutexLock lock(mutex_);
  while (queue_.empty()) {
    if (stopping_) {
      ended_ = true;
      return false;
    }
    const MonotonicTime due = timers_.next_due();
    if (due == MonotonicTime::max()) {
      sleeping_ = true;
      wake_.Wait(mutex_);
    } else {
      if (Now() >= due) break;  // an empty batch; the timers run after it
      sleeping_ = true;
      wake_.WaitUntil(mutex_, due);
    }
    sleeping_ = false;
  }
  batch.swap(queue_);
  has_work_.store(false, std::memory_order_relaxed);
  return true;
}

// Looks for work for a moment instead of sleeping. Every hit earns two more tries, every miss costs one.
void ThreadLoop::Spin() {
  if (has_work_.load(std::memory_order_relaxed)) {
    if (spin_credit_ < kSpinCreditMax) ++spin_credit_;
    return;
  }
  if (spin_credit_ == 0) return;
  const MonotonicTime until = Now() + options_.spin_max;
  do {
    for (int i = 0; i < 64; ++i) {
      if (has_work_.load(std::memory_order_relaxed)) {
        spin_credit_ = std::min(spin_credit_ + 2, kSpinCreditMax);
        return;
      }
      Relax();
    }
  } while (Now() < until);
  --spin_credit_;
}

}  // namespace regent::server
