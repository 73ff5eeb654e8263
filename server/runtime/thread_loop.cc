#include "server/runtime/thread_loop.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "glog/logging.h"
#include "server/runtime/after_task.h"

namespace regent::server {
namespace {

constexpr int kHelpRounds = 4;
constexpr int kSpinCreditMax = 8;
// After the kernel took the processor away there is no spinning for this long.
constexpr Duration kContention = std::chrono::milliseconds(50);

inline void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// What this thread has to do with loops.
struct ThreadState {
  const ThreadLoop* home = nullptr;  // the loop whose own thread it is
  bool helping = false;
  std::vector<ThreadLoop*> claimed;  // loops whose helper it is
};
thread_local ThreadState this_thread;

void Execute(Loop::Task& task) {
  const TaskScope scope;
  task();
  task = nullptr;
}

}  // namespace

ThreadLoop::ThreadLoop(Options options) : options_(std::move(options)), thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), options_.name.substr(0, 15).c_str());
}

ThreadLoop::~ThreadLoop() { Stop(); }

void ThreadLoop::Stop() {
  CHECK(this_thread.home != this) << "loop " << options_.name << " cannot wait for its own end";
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    has_work_.store(true, std::memory_order_relaxed);
    wake_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

void ThreadLoop::Post(Task task) {
  bool help = false;
  bool wake = false;
  {
    MutexLock lock(mutex_);
    if (ended_) return;
    queue_.push_back(std::move(task));
    has_work_.store(true, std::memory_order_relaxed);
    if (sleeping_ && !helped_) {
      help = MayHelp();
      helped_ = help;
      wake = !help;
      if (wake) sleeping_ = false;
    }
  }
  if (wake) wake_.NotifyOne();
  if (!help) return;
  this_thread.claimed.push_back(this);
  HelpClaimed();
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
  this_thread.home = this;
  std::vector<Task> batch;
  while (TakeBatch(batch)) {
    RunTasks(batch);
    RunDueTimers();
  }
}

void ThreadLoop::RunTasks(std::vector<Task>& batch) {
  tasks_left_ = batch.size();
  for (Task& task : batch) {
    --tasks_left_;
    Execute(task);
  }
  batch.clear();
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
    Execute(*task);
  }
}

bool ThreadLoop::TakeBatch(std::vector<Task>& batch) {
  const bool spins = options_.spin_max > Duration::zero();
  if (spins && spin_credit_ > 0 && !has_work_.load(std::memory_order_relaxed)) Spin();
  MutexLock lock(mutex_);
  while (helped_ || queue_.empty()) {
    const MonotonicTime due = timers_.next_due();
    if (!helped_) {
      if (stopping_) {
        ended_ = true;
        return false;
      }
      if (due != MonotonicTime::max() && Now() >= due) break;  // an empty batch; the timers run after it
    }
    sleeping_ = true;
    waits_for_helper_ = helped_;
    const MonotonicTime asleep = spins ? Now() : MonotonicTime();
    if (helped_ || due == MonotonicTime::max()) {
      wake_.Wait(mutex_);
    } else {
      wake_.WaitUntil(mutex_, due);
    }
    sleeping_ = false;
    // Looking would have found it.
    if (spins && Now() - asleep < options_.spin_max) spin_credit_ = std::min(spin_credit_ + 2, kSpinCreditMax);
  }
  waits_for_helper_ = false;
  batch.swap(queue_);
  has_work_.store(false, std::memory_order_relaxed);
  return true;
}

// Looks for work for a moment instead of sleeping. A miss costs a try; a short sleep earns two.
void ThreadLoop::Spin() {
  if (InterruptedLately()) {
    spin_credit_ = 0;
    return;
  }
  const MonotonicTime until = Now() + options_.spin_max;
  do {
    for (int i = 0; i < 32; ++i) {
      if (has_work_.load(std::memory_order_relaxed)) return;
      Relax();
    }
  } while (Now() < until);
  --spin_credit_;
}

bool ThreadLoop::InterruptedLately() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const MonotonicTime now = Now();
  if (std::exchange(interruptions_, usage.ru_nivcsw) != usage.ru_nivcsw) interrupted_at_ = now;
  return interrupted_at_ != MonotonicTime() && now - interrupted_at_ < kContention;
}

// ---- help ----------------------------------------------------------------------------------------------------------

bool ThreadLoop::MayHelp() const {
  if (options_.any_thread_helps) return true;
  return options_.helper != nullptr && options_.helper == this_thread.home && options_.helper->Idle();
}

// What a helper posts to a sleeping loop is claimed too, and runs after it.
void ThreadLoop::HelpClaimed() {
  ThreadState& state = this_thread;
  if (state.claimed.empty() || std::exchange(state.helping, true)) return;
  for (size_t i = 0; i < state.claimed.size(); ++i) state.claimed[i]->RunAsHelper();
  state.claimed.clear();
  state.helping = false;
}

void ThreadLoop::RunAsHelper() {
  const bool willing = options_.any_thread_helps || options_.helper->Idle();
  for (int round = 0;; ++round) {
    {
      MutexLock lock(mutex_);
      if (!willing || round == kHelpRounds || queue_.empty()) {
        helped_ = false;
        if (queue_.empty() && !waits_for_helper_) return;
        sleeping_ = false;
        wake_.NotifyOne();
        return;
      }
      helper_batch_.swap(queue_);
      has_work_.store(false, std::memory_order_relaxed);
    }
    for (Task& task : helper_batch_) {
      Execute(task);
    }
    helper_batch_.clear();
  }
}

}  // namespace regent::server
