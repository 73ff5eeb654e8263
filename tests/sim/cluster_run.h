// One seed of a cluster: machines of their own, the network between them, clients on every one, the faults, and the
// checkers of run.h and workload.h, who hold all members together to one truth: whatever is answered anywhere is seen
// everywhere afterwards, every member applies the same, and when the faults end everything goes on.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "tests/sim/membership_client.h"
#include "tests/sim/mutants.h"
#include "tests/sim/network.h"
#include "tests/sim/watch_client.h"
#include "tests/sim/workload.h"

namespace regent::sim {

struct ClusterRunOptions {
  uint64_t seed = 1;
  uint64_t operations = 2000;  // of all clients together
  size_t trace_lines = 0;      // so many of the last messages and faults are kept
  Mutants mutants;
};

struct ClusterCounters {
  WorkloadCounters work;
  WatchCounters watch;
  NetworkCounters network;
  uint64_t power_losses = 0, all_power_losses = 0, clean_stops = 0, broken_disks = 0, slow_disks = 0, pauses = 0;
  uint64_t partitions = 0, one_way_cuts = 0, paused_and_cut_off = 0, storms = 0, false_alarms = 0, leader_moves = 0;
  MembershipCounters membership;
  uint64_t second_lives = 0;
  uint64_t messages_checked = 0, hashes = 0;
  uint64_t terms = 0, snapshots = 0, entries = 0, virtual_seconds = 0, faults = 0;
};

struct ClusterResult {
  std::string broken;  // empty: every promise was kept
  uint64_t trace_hash = 0;
  std::deque<std::string> trace;
  ClusterCounters counters;
};

ClusterResult RunCluster(const ClusterRunOptions& options);

}  // namespace regent::sim
