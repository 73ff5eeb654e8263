// The clock of production code that owns no loop: passed as a function to what must not read one itself.
#pragma once

#include "server/runtime/loop.h"

namespace regent::server {

inline MonotonicTime SteadyNow() { return std::chrono::steady_clock::now(); }

}  // namespace regent::server
