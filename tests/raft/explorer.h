// The explorer: random schedules of everything that may happen to a cluster of cores, judged by the invariant checker
// after every step; then faults stop, and the cluster must make progress.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "raft/options.h"

namespace regent::raft {

// How often something happened, by name. A run in which something never happened proves nothing about it.
using Coverage = std::map<std::string, uint64_t>;

struct ExploreOptions {
  uint64_t seed = 1;
  uint32_t steps = 400;
  CoreMutants mutants;
  bool demand_progress = true;
  bool trace = false;  // every step to standard output
};

// Everything that broke; empty: nothing did.
std::vector<std::string> Explore(const ExploreOptions& options, Coverage& coverage);

}  // namespace regent::raft
