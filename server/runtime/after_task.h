// Work put off to the end of the task that runs on this thread, so that what the task does many times is finished once:
// a turn that answers two hundred calls sends once per connection.
//
// Loops and pools open a TaskScope around every task. Outside a task the work runs at once.
#pragma once

#include <memory>
#include <utility>
#include <vector>

namespace regent::server {

class Deferred {
 public:
  virtual ~Deferred() = default;
  virtual void RunDeferred() = 0;
};

class TaskScope {
 public:
  TaskScope() { ++depth_; }
  ~TaskScope() {
    while (!deferred_.empty()) RunAll();
    --depth_;
  }
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;

  // Runs `work` when the innermost task on this thread ends, once however often it is asked for.
  static void Defer(const std::shared_ptr<Deferred>& work) {
    if (depth_ == 0) return work->RunDeferred();
    for (const std::shared_ptr<Deferred>& other : deferred_) {
      if (other == work) return;
    }
    deferred_.push_back(work);
  }

 private:
  static void RunAll() {
    const std::vector<std::shared_ptr<Deferred>> now = std::exchange(deferred_, {});
    for (const std::shared_ptr<Deferred>& work : now) work->RunDeferred();
  }

  inline static thread_local int depth_ = 0;
  inline static thread_local std::vector<std::shared_ptr<Deferred>> deferred_;
};

}  // namespace regent::server
