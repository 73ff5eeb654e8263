// One seed: a machine, its clients, power losses and restarts, and the checkers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/node/mutants.h"
#include "tests/sim/watch_client.h"
#include "tests/sim/workload.h"

namespace regent::sim {

struct RunOptions {
  uint64_t seed = 1;
  uint64_t operations = 2000;
  server::NodeMutants mutants;
};

struct RunCounters {
  WorkloadCounters work;
  WatchCounters watch;
  uint64_t power_losses = 0, clean_stops = 0, entries = 0, virtual_seconds = 0;
};

struct RunResult {
  std::string broken;  // empty: every promise was kept
  uint64_t trace_hash = 0;
  RunCounters counters;
};

RunResult Run(const RunOptions& options);

}  // namespace regent::sim
