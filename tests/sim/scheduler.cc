#include "tests/sim/scheduler.h"

#include <algorithm>
#include <utility>

namespace regent::sim {

SimulatedLoop::SimulatedLoop(Scheduler& scheduler, std::string name, LoopOptions options)
    : scheduler_(scheduler), name_(std::move(name)), options_(options), born_(scheduler.now()) {
  scheduler_.loops_.push_back(this);
}

SimulatedLoop::~SimulatedLoop() { std::erase(scheduler_.loops_, this); }

void SimulatedLoop::Post(Task task) {
  if (!killed_) ready_.push_back(std::move(task));
}

Loop::TimerId SimulatedLoop::PostAfter(Duration delay, Task task) {
  if (killed_) return TimerId::kNone;
  if (options_.clock_rate != 1) {
    // Rounded up: by the loop's clock the delay is over when the timer is due.
    delay = Duration(static_cast<int64_t>(static_cast<double>(delay.count()) / options_.clock_rate) + 2);
  }
  return timers_.Add(scheduler_.now_ + delay, std::move(task));
}

void SimulatedLoop::Cancel(TimerId timer) { timers_.Remove(timer); }

MonotonicTime SimulatedLoop::Now() const {
  if (options_.clock_rate == 1) return scheduler_.now_;
  const double elapsed = static_cast<double>((scheduler_.now_ - born_).count());
  return born_ + Duration(static_cast<int64_t>(elapsed * options_.clock_rate));
}

void SimulatedLoop::Stall(Duration duration) { stalled_until_ = std::max(stalled_until_, scheduler_.now_ + duration); }

void SimulatedLoop::Kill() {
  killed_ = true;
  // Destroying a task may post another one, to be dropped as well.
  std::deque<Task> ready = std::move(ready_);
  ready_.clear();
  server::Timers timers = std::move(timers_);
  timers_ = server::Timers();
}

// A due timer or the next task of the queue; a timer stays cancellable until it runs.
void Scheduler::RunTaskOf(SimulatedLoop& loop) {
  const bool due = loop.timers_.next_due() <= now_;
  Loop::Task task;
  if (loop.ready_.empty() || (due && random_() % 2 == 0)) {
    task = std::move(*loop.timers_.TakeDue(now_));
  } else {
    if (loop.options_.parallel) std::swap(loop.ready_.front(), loop.ready_[random_() % loop.ready_.size()]);
    task = std::move(loop.ready_.front());
    loop.ready_.pop_front();
  }
  ++steps_;
  for (const char letter : loop.name_) Trace(static_cast<unsigned char>(letter));
  Trace(static_cast<uint64_t>(now_.time_since_epoch().count()));
  if (stall_tasks_ > 0 && random_() % stall_tasks_ == 0) {
    loop.Stall(Duration(random_() % static_cast<uint64_t>(stall_longest_.count())));
  }
  task();
  now_ += std::chrono::nanoseconds(random_() % 4000);
}

MonotonicTime Scheduler::ReadyAt(const SimulatedLoop& loop) {
  const MonotonicTime wanted = loop.ready_.empty() ? loop.timers_.next_due() : MonotonicTime();
  return std::max(wanted, loop.stalled_until_);
}

bool Scheduler::Step(MonotonicTime until) {
  std::vector<SimulatedLoop*>& ready = able_;
  ready.clear();
  MonotonicTime next = MonotonicTime::max();
  for (SimulatedLoop* loop : loops_) {
    const MonotonicTime at = ReadyAt(*loop);
    next = std::min(next, at);
    if (at <= now_) ready.push_back(loop);
  }
  if (ready.empty()) {
    now_ = std::max(now_, std::min(next, until));
    return next <= until;
  }
  RunTaskOf(*ready[random_() % ready.size()]);
  return true;
}

void Scheduler::RunFor(Duration duration) {
  const MonotonicTime until = now_ + duration;
  while (now_ < until && Step(until)) {
  }
}

void Scheduler::RunReady() {
  while (true) {
    const bool any =
        std::any_of(loops_.begin(), loops_.end(), [](SimulatedLoop* loop) { return !loop->ready_.empty(); });
    if (!any) return;
    Step(now_ + stall_longest_);
  }
}

}  // namespace regent::sim
