// sim_cluster --seeds N --ops N --seed S      N seeds from S on: clusters of 1, 3, 5 and 7 under faults
// sim_cluster --jobs N ...                    shared by N processes
// sim_cluster --trace N ...                   of a seed that fails: the last N messages and faults, as a sequence
// sim_cluster --mutant NAME ...               the same with a planted bug: it fails
// sim_cluster --canaries [--mutant NAME]      every planted bug, or one, each of which some seed must find
//
// The last line is "sim: N passed, N failed". A failure prints the command that replays it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "glog/logging.h"
#include "tests/sim/canaries.h"
#include "tests/sim/cluster_run.h"
#include "tests/sim/counters.h"
#include "tests/sim/seeds.h"

namespace regent::sim {
namespace {

constexpr uint64_t kCanarySeeds = 300;

CounterFields Fields(ClusterCounters& c) {
  return ClientFields(c.work, c.watch,
                      {{"messages", &c.network.sent},
                       {"lost", &c.network.lost},
                       {"repeated", &c.network.repeated},
                       {"cut-off", &c.network.cut_off},
                       {"faults", &c.faults},
                       {"power-losses", &c.power_losses},
                       {"all-power-losses", &c.all_power_losses},
                       {"clean-stops", &c.clean_stops},
                       {"broken-disks", &c.broken_disks},
                       {"slow-disks", &c.slow_disks},
                       {"pauses", &c.pauses},
                       {"partitions", &c.partitions},
                       {"one-way-cuts", &c.one_way_cuts},
                       {"paused-and-cut-off", &c.paused_and_cut_off},
                       {"storms", &c.storms},
                       {"messages-checked", &c.messages_checked},
                       {"hashes", &c.hashes},
                       {"refused", &c.network.refused},
                       {"members-added", &c.membership.adds},
                       {"promotions", &c.membership.promotions},
                       {"promotions-refused", &c.membership.promotions_refused},
                       {"members-removed", &c.membership.removals},
                       {"changes-failed", &c.membership.changes_failed},
                       {"disks-lost", &c.membership.disks_lost},
                       {"second-lives", &c.second_lives},
                       {"false-alarms", &c.false_alarms},
                       {"leader-moves", &c.leader_moves},
                       {"terms", &c.terms},
                       {"snapshots", &c.snapshots},
                       {"entries", &c.entries},
                       {"virtual-seconds", &c.virtual_seconds}});
}

int Main(int argc, char** argv) {
  FLAGS_logtostderr = true;
  FLAGS_minloglevel = google::FATAL;  // that disks break and members are gone is no news here
  uint64_t seeds = 100, operations = 1500, seed = 1, jobs = 1;
  size_t trace_lines = 0;
  bool canaries = false;
  Mutants mutants;
  std::vector<std::string_view> planted_names;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0; };
    if (argument == "--seeds") {
      seeds = number();
    } else if (argument == "--ops") {
      operations = number();
    } else if (argument == "--seed") {
      seed = number();
    } else if (argument == "--jobs") {
      jobs = std::max<uint64_t>(1, number());
    } else if (argument == "--trace") {
      trace_lines = number();
    } else if (argument == "--canaries") {
      canaries = true;
    } else if (argument == "--verbose") {
      FLAGS_minloglevel = google::INFO;
    } else if (argument == "--mutant" && i + 1 < argc && Plant(argv[i + 1], &mutants)) {
      planted_names.push_back(argv[++i]);
    } else {
      std::fprintf(stderr,
                   "usage: sim_cluster [--seeds N] [--ops N] [--seed S] [--jobs N] [--trace N] [--mutant NAME] "
                   "[--verbose] [--canaries]\n");
      return EXIT_FAILURE;
    }
  }
  if (canaries) {
    return RunCanaries(planted_names.empty() ? ClusterMutantNames() : planted_names, seed, kCanarySeeds,
                       [&](const Mutants& planted, uint64_t one) {
                         return RunCluster({.seed = one, .operations = operations, .mutants = planted}).broken;
                       });
  }
  const SeedRuns<ClusterResult> runs{
      .run =
          [&](uint64_t one) {
            ClusterResult result =
                RunCluster({.seed = one, .operations = operations, .trace_lines = trace_lines, .mutants = mutants});
            if (!result.broken.empty()) {
              for (const std::string& line : result.trace) std::printf("%s\n", line.c_str());
            }
            return result;
          },
      .fields = Fields,
      .vacuous =
          [](const ClusterCounters& counters) {
            const bool tested = counters.faults >= 5 && counters.virtual_seconds >= 60;
            return std::string(tested ? "" : "fewer than five faults or sixty seconds: too little was tested");
          },
      .replay = "sim_cluster --ops " + std::to_string(operations),
      .twice_one_in = 100};
  return runs.Run(seed, seeds, jobs);
}

}  // namespace
}  // namespace regent::sim

int main(int argc, char** argv) { return regent::sim::Main(argc, argv); }
