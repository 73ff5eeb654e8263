// sim --seeds N --ops N --seed S      N seeds from S on; each is a run of its own
// sim --mutant NAME ...               the same with a planted bug: it fails
// sim --canaries                      every planted bug must be found within a few seeds
//
// The last line is "sim: N passed, N failed". A failure prints the command that replays it.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "glog/logging.h"
#include "tests/sim/canaries.h"
#include "tests/sim/counters.h"
#include "tests/sim/run.h"
#include "tests/sim/seeds.h"

namespace regent::sim {
namespace {

constexpr uint64_t kCanarySeeds = 50;

CounterFields Fields(RunCounters& c) {
  return ClientFields(c.work, c.watch,
                      {{"power-losses", &c.power_losses},
                       {"clean-stops", &c.clean_stops},
                       {"broken-disks", &c.broken_disks},
                       {"full-disks", &c.full_disks},
                       {"writes-refused", &c.writes_refused},
                       {"slow-disks", &c.slow_disks},
                       {"pauses", &c.pauses},
                       {"fast-clocks", &c.fast_clocks},
                       {"slow-clocks", &c.slow_clocks},
                       {"entries", &c.entries},
                       {"virtual-seconds", &c.virtual_seconds}});
}

int RunSeeds(uint64_t first, uint64_t seeds, uint64_t operations, const Mutants& mutants) {
  const SeedRuns<RunResult> runs{
      .run = [&](uint64_t seed) { return Run({.seed = seed, .operations = operations, .mutants = mutants}); },
      .fields = Fields,
      .vacuous =
          [](const RunCounters& counters) {
            const bool tested = counters.power_losses >= 3 && counters.work.compactions >= 1;
            return std::string(tested ? "" : "too few power losses or compactions: nothing was tested");
          },
      .replay = "sim --ops " + std::to_string(operations)};
  return runs.Run(first, seeds);
}

int Main(int argc, char** argv) {
  FLAGS_logtostderr = true;
  FLAGS_minloglevel = google::FATAL;  // that the disk broke is no news here
  uint64_t seeds = 100, operations = 2000, seed = 1;
  bool canaries = false;
  Mutants mutants;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0; };
    if (argument == "--seeds") {
      seeds = number();
    } else if (argument == "--ops") {
      operations = number();
    } else if (argument == "--seed") {
      seed = number();
    } else if (argument == "--canaries") {
      canaries = true;
    } else if (argument == "--mutant" && i + 1 < argc && Plant(argv[i + 1], &mutants)) {
      ++i;
    } else {
      std::fprintf(stderr, "usage: sim [--seeds N] [--ops N] [--seed S] [--mutant NAME] [--canaries]\n");
      return EXIT_FAILURE;
    }
  }
  if (!canaries) return RunSeeds(seed, seeds, operations, mutants);
  return RunCanaries(MutantNames(), seed, kCanarySeeds, [&](const Mutants& planted, uint64_t one) {
    return Run({.seed = one, .operations = operations, .mutants = planted}).broken;
  });
}

}  // namespace
}  // namespace regent::sim

int main(int argc, char** argv) { return regent::sim::Main(argc, argv); }
