// The clock of production code that owns no loop: passed as a function to what must not read one itself.
#pragma once

#include "server/runtime/loop.h"

namespace regent::server {

inline MonotonicTime SteadyNow() { return std::chrono::steady_clock::now(); }

// The wall clock, for what people read. It may jump: nothing is decided by it.
inline double UnixSeconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace regent::server
