// Another loop with a clock that moves on by `tick` whenever it is read: what is measured between two readings took
// that long, for who cannot take any time under virtual time.
#pragma once

#include <utility>

#include "server/runtime/loop.h"

namespace regent::server {

class TickingLoop final : public Loop {
 public:
  TickingLoop(Loop& loop, Duration tick) : loop_(loop), tick_(tick) {}
  void Post(Task task) override { loop_.Post(std::move(task)); }
  TimerId PostAfter(Duration delay, Task task) override { return loop_.PostAfter(delay, std::move(task)); }
  void Cancel(TimerId timer) override { loop_.Cancel(timer); }
  MonotonicTime Now() const override { return loop_.Now() + tick_ * ++readings_; }

 private:
  Loop& loop_;
  const Duration tick_;
  mutable int readings_ = 0;
};

}  // namespace regent::server
