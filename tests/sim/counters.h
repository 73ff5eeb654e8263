// Counters by name, so that none is forgotten when they are added up and printed.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "tests/sim/watch_client.h"
#include "tests/sim/workload.h"

namespace regent::sim {

using CounterFields = std::vector<std::pair<const char*, uint64_t*>>;

// Those of the clients, and `more` behind them.
CounterFields ClientFields(WorkloadCounters& work, WatchCounters& watch, const CounterFields& more);

}  // namespace regent::sim
