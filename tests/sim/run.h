// One seed: a machine, its clients, the faults, and the checkers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/mutants.h"
#include "tests/sim/watch_client.h"
#include "tests/sim/workload.h"

namespace regent::sim {

struct RunOptions {
  uint64_t seed = 1;
  uint64_t operations = 2000;
  Mutants mutants;
};

struct RunCounters {
  WorkloadCounters work;
  WatchCounters watch;
  uint64_t power_losses = 0, clean_stops = 0, entries = 0, virtual_seconds = 0;
  uint64_t broken_disks = 0, full_disks = 0, writes_refused = 0, slow_disks = 0, pauses = 0;
  uint64_t fast_clocks = 0, slow_clocks = 0;
};

struct RunResult {
  std::string broken;  // empty: every promise was kept
  uint64_t trace_hash = 0;
  RunCounters counters;
};

RunResult Run(const RunOptions& options);

}  // namespace regent::sim
