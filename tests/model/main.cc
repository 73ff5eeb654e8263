// model_test [--operations N] [--seed S] [--engine memory|rocksdb] [--canary NAME|all] [--mutant NAME]
//
// Runs episodes of random operations against the store and the model until N operations are through. With --canary the
// store has a planted bug, and the run passes when the bug is found; with --mutant it has one, and the run fails. The
// last line is "model: N passed, N failed".
#include <glog/logging.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/model/driver.h"

namespace regent::model {
namespace {

constexpr uint64_t kEpisodeOperations = 12'500;
// Below this a run is too short to meet everything.
constexpr uint64_t kCoverageOperationsMin = 100'000;

struct Arguments {
  uint64_t operations = 100'000;
  uint64_t seed = 1;
  EngineKind engine = EngineKind::kMemory;
  std::string canary;
  Mutant mutant = Mutant::kNone;
  std::string engine_name = "memory";
};

bool Parse(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const char* value = argv[i + 1];
    if (name == "--operations") {
      arguments->operations = std::strtoull(value, nullptr, 10);
    } else if (name == "--seed") {
      arguments->seed = std::strtoull(value, nullptr, 10);
    } else if (name == "--canary") {
      arguments->canary = value;
    } else if (name == "--mutant") {
      arguments->mutant = FindMutant(value).value_or(Mutant::kNone);
      if (arguments->mutant == Mutant::kNone) return false;
    } else if (name == "--engine") {
      arguments->engine_name = value;
      arguments->engine = arguments->engine_name == "rocksdb" ? EngineKind::kRocks : EngineKind::kMemory;
      if (arguments->engine_name != "rocksdb" && arguments->engine_name != "memory") return false;
    } else {
      return false;
    }
  }
  return argc % 2 == 1;
}

struct Found {
  std::string difference;  // "" when store and model agree
  std::string trace;
  uint64_t operations = 0;  // until then
};

Found Run(const Arguments& arguments, Mutant mutant, Coverage& coverage) {
  Found found;
  for (uint64_t episode = 0; found.operations < arguments.operations && found.difference.empty(); ++episode) {
    const uint64_t operations = std::min(kEpisodeOperations, arguments.operations - found.operations);
    // Consecutive numbers walk through the profiles.
    Episode run({.seed = arguments.seed * 1'000'000 + episode,
                 .operations = operations,
                 .engine = arguments.engine,
                 .mutant = mutant},
                coverage);
    found.difference = run.Run();
    found.trace = run.Trace();
    found.operations = coverage.Get("operations");
  }
  return found;
}

bool RunPlain(const Arguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  Coverage coverage;
  const Found found = Run(arguments, arguments.mutant, coverage);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("coverage of %llu operations in %.1f s:\n%s", static_cast<unsigned long long>(found.operations), seconds,
              coverage.Table().c_str());
  if (!found.difference.empty()) {
    std::printf(
        "FAILED after %llu operations\n  what led to it, newest last:\n%s  difference: %s\n"
        "  replay: model_test --seed %llu --operations %llu --engine %s\n",
        static_cast<unsigned long long>(found.operations), found.trace.c_str(), found.difference.c_str(),
        static_cast<unsigned long long>(arguments.seed), static_cast<unsigned long long>(arguments.operations),
        arguments.engine_name.c_str());
    return false;
  }
  const std::string missing = coverage.Missing();
  if (arguments.operations >= kCoverageOperationsMin && !missing.empty()) {
    std::printf("FAILED: not exercised: %s\n", missing.c_str());
    return false;
  }
  return true;
}

bool RunCanary(const Arguments& arguments, const MutantName& mutant) {
  Coverage coverage;
  const Found found = Run(arguments, mutant.mutant, coverage);
  std::printf("canary %s: %s after %llu operations%s%s\n", std::string(mutant.name).c_str(),
              found.difference.empty() ? "NOT FOUND" : "found", static_cast<unsigned long long>(found.operations),
              found.difference.empty() ? "" : ": ", found.difference.c_str());
  return !found.difference.empty();
}

int Main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, &arguments)) {
    std::fprintf(
        stderr, "usage: %s [--operations N] [--seed S] [--engine memory|rocksdb] [--canary NAME|all] [--mutant NAME]\n",
        argv[0]);
    return 2;
  }
  if (arguments.engine == EngineKind::kRocks && MakeRocksDisk(0) == nullptr) {
    std::printf("model: 0 passed, 0 failed, 1 skipped (this build has no RocksDB)\n");
    return 1;
  }
  int passed = 0;
  int failed = 0;
  const auto record = [&](bool good) { ++(good ? passed : failed); };
  if (arguments.canary.empty()) {
    record(RunPlain(arguments));
  } else {
    for (const MutantName& mutant : AllMutants()) {
      if (arguments.canary == "all" || arguments.canary == mutant.name) record(RunCanary(arguments, mutant));
    }
  }
  std::printf("model: %d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace
}  // namespace regent::model

int main(int argc, char** argv) {
  google::InitGoogleLogging(argv[0]);
  FLAGS_logtostderr = true;
  return regent::model::Main(argc, argv);
}
