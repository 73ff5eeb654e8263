#include "server/runtime/pool.h"

#include <pthread.h>
#include <sys/resource.h>

#include <optional>
#include <utility>

#include "glog/logging.h"
#include "server/runtime/after_task.h"

namespace regent::server {

Pool::Pool(const std::string& name, int threads, int niceness) {
  CHECK_GT(threads, 0);
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this, niceness] { Run(niceness); });
    pthread_setname_np(threads_.back().native_handle(), name.substr(0, 15).c_str());
  }
}

Pool::~Pool() { Stop(); }

void Pool::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    wake_.NotifyAll();
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void Pool::Post(Task task) {
  MutexLock lock(mutex_);
  if (stopping_) return;
  queue_.push_back(std::move(task));
  wake_.NotifyOne();
}

Loop::TimerId Pool::PostAfter(Duration delay, Task task) {
  MutexLock lock(mutex_);
  if (stopping_) return TimerId::kNone;
  const TimerId id = timers_.Add(Now() + delay, std::move(task));
  wake_.NotifyOne();
  return id;
}

void Pool::Cancel(TimerId timer) {
  std::optional<Task> removed;  // destroyed outside the lock
  MutexLock lock(mutex_);
  removed = timers_.Remove(timer);
}

void Pool::Run(int niceness) {
  // Linux counts it for each thread. 0 means this one.
  if (niceness > 0 && setpriority(PRIO_PROCESS, 0, niceness) != 0) PLOG(WARNING) << "no priority of its own";
  while (true) {
    std::optional<Task> task;
    {
      MutexLock lock(mutex_);
      while (true) {
        task = timers_.TakeDue(Now());
        if (task.has_value()) break;
        if (!queue_.empty()) {
          task = std::move(queue_.front());
          queue_.pop_front();
          break;
        }
        if (stopping_) return;
        const MonotonicTime due = timers_.next_due();
        if (due == MonotonicTime::max()) {
          wake_.Wait(mutex_);
        } else {
          wake_.WaitUntil(mutex_, due);
        }
      }
    }
    const TaskScope scope;
    (*task)();
    task.reset();
  }
}

}  // namespace regent::server
