// Seeds one after the other, some of them twice, and what they covered; for the programs of this folder.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace regent::sim {

// Every counter by name, so that none is forgotten when they are added up and printed.
using CounterFields = std::vector<std::pair<const char*, uint64_t*>>;

template <typename Result>
struct SeedRuns {
  using Counters = decltype(Result::counters);

  std::function<Result(uint64_t seed)> run;
  std::function<CounterFields(Counters&)> fields;
  std::function<std::string(const Counters&)> vacuous;  // why the run tested nothing; empty: it did
  std::string replay;                                   // the command, without the seed
  uint64_t twice_one_in = 20;                           // so many seeds are run again and must be equal

  // The exit code. The last line is "sim: N passed, N failed".
  int Run(uint64_t first, uint64_t seeds) const {
    uint64_t passed = 0, failed = 0;
    Counters total;
    for (uint64_t seed = first; seed < first + seeds; ++seed) {
      Result result = RunOne(seed, (seed - first) % twice_one_in == 0);
      const CounterFields sums = fields(total), parts = fields(result.counters);
      for (size_t i = 0; i < sums.size(); ++i) *sums[i].second += *parts[i].second;
      ++(result.broken.empty() ? passed : failed);
      if (result.broken.empty()) continue;
      std::printf("seed %llu: %s\n  replay: %s --seed %llu --seeds 1\n", static_cast<unsigned long long>(seed),
                  result.broken.c_str(), replay.c_str(), static_cast<unsigned long long>(seed));
    }
    std::printf("coverage:");
    for (const auto& [name, value] : fields(total)) {
      std::printf(" %s=%llu", name, static_cast<unsigned long long>(*value));
      if (*value > 0 || seeds < 10) continue;
      std::printf("(!)");
      ++failed;
    }
    std::printf("\nno failure in %llu runs bounds the rate of failures at %.3f (95 %%)\n",
                static_cast<unsigned long long>(passed), 3.0 / static_cast<double>(std::max<uint64_t>(passed, 1)));
    std::printf("sim: %llu passed, %llu failed\n", static_cast<unsigned long long>(passed),
                static_cast<unsigned long long>(failed));
    return failed == 0 && passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
  }

 private:
  Result RunOne(uint64_t seed, bool again) const {
    Result result = run(seed);
    if (!result.broken.empty()) return result;
    if (again && run(seed).trace_hash != result.trace_hash) {
      result.broken = "the same seed ran differently the second time";
    } else {
      result.broken = vacuous(result.counters);
    }
    return result;
  }
};

}  // namespace regent::sim
