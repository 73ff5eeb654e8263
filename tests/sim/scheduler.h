// Virtual time: every loop of every node on one thread, the order of their tasks drawn from a seed. The same seed gives
// the same run.
//
// A step runs one task of a loop drawn among those that have one. Time passes a little with each task and jumps to the
// next timer when nothing is ready. Now and then a loop stalls for a while, as a thread does whose disk or processor is
// busy. The tasks of one loop keep their order; a parallel loop (the background pool) may
// run any of its tasks next. A loop may have a clock that goes fast or slow: Now and the delays of its timers are then
// those of that clock.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "server/runtime/loop.h"
#include "server/runtime/timers.h"

namespace regent::sim {

using server::Duration;
using server::Loop;
using server::MonotonicTime;

class Scheduler;

struct LoopOptions {
  bool parallel = false;
  double clock_rate = 1;  // seconds of the loop's clock in a second
};

class SimulatedLoop final : public Loop {
 public:
  SimulatedLoop(Scheduler& scheduler, std::string name, LoopOptions options);
  ~SimulatedLoop() override;

  void Post(Task task) override;
  TimerId PostAfter(Duration delay, Task task) override;
  void Cancel(TimerId timer) override;
  MonotonicTime Now() const override;

  // The power is gone: nothing that was posted runs any more, nor what is posted later.
  void Kill();
  // Nothing runs for so long: the thread waits for a disk, or the whole machine is paused.
  void Stall(Duration duration);
  void EndStall() { stalled_until_ = MonotonicTime(); }

 private:
  friend class Scheduler;
  Scheduler& scheduler_;
  const std::string name_;
  const LoopOptions options_;
  const MonotonicTime born_;
  bool killed_ = false;
  MonotonicTime stalled_until_{};
  std::deque<Task> ready_;
  server::Timers timers_;
};

class Scheduler {
 public:
  explicit Scheduler(uint64_t seed) : random_(seed) {}

  std::unique_ptr<SimulatedLoop> NewLoop(const std::string& name, LoopOptions options = {}) {
    return std::make_unique<SimulatedLoop>(*this, name, options);
  }

  // One task. False when no loop has one and no timer is due before `until`; the time is then `until`.
  bool Step(MonotonicTime until);
  // Everything that is ready or becomes due within `duration`.
  void RunFor(Duration duration);
  // Everything that is ready now and what follows from it, without waiting for a timer.
  void RunReady();

  // One task in `tasks` is followed by a stall of its loop of up to `longest`. 0: none.
  void SetStalls(uint64_t tasks, Duration longest) {
    stall_tasks_ = tasks;
    stall_longest_ = longest;
  }

  MonotonicTime now() const { return now_; }
  uint64_t steps() const { return steps_; }
  // Of everything that ran, in order: two runs of one seed must agree.
  uint64_t trace_hash() const { return trace_hash_; }
  void Trace(uint64_t value) { trace_hash_ = (trace_hash_ ^ value) * 0x100000001b3; }

 private:
  friend class SimulatedLoop;
  void RunTaskOf(SimulatedLoop& loop);
  // When the loop has something to run next.
  static MonotonicTime ReadyAt(const SimulatedLoop& loop);

  std::mt19937_64 random_;
  MonotonicTime now_ = MonotonicTime() + std::chrono::hours(1000);
  std::vector<SimulatedLoop*> loops_;
  std::vector<SimulatedLoop*> able_;  // scratch of Step
  uint64_t stall_tasks_ = 0;
  Duration stall_longest_{0};
  uint64_t steps_ = 0;
  uint64_t trace_hash_ = 0xcbf29ce484222325;
};

}  // namespace regent::sim
