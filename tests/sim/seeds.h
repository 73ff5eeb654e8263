// Seeds one after the other, some of them twice, and what they covered; for the programs of this folder.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "glog/logging.h"
#include "tests/sim/counters.h"

namespace regent::sim {

template <typename Result>
struct SeedRuns {
  using Counters = decltype(Result::counters);

  std::function<Result(uint64_t seed)> run;
  std::function<CounterFields(Counters&)> fields;
  std::function<std::string(const Counters&)> vacuous;  // why the run tested nothing; empty: it did
  std::string replay;                                   // the command, without the seed
  uint64_t twice_one_in = 20;                           // so many seeds are run again and must be equal

  // The exit code. The last line is "sim: N passed, N failed". `jobs`: processes that share the seeds.
  int Run(uint64_t first, uint64_t seeds, uint64_t jobs = 1) const {
    Share all = jobs == 1 ? RunShare(first, seeds, 0, 1) : RunApart(first, seeds, jobs);
    std::printf("coverage:");
    for (const auto& [name, value] : fields(all.counters)) {
      std::printf(" %s=%llu", name, static_cast<unsigned long long>(*value));
      if (*value > 0 || seeds < 10) continue;
      std::printf("(!)");
      ++all.failed;
    }
    std::printf("\nno failure in %llu runs bounds the rate of failures at %.3f (95 %%)\n",
                static_cast<unsigned long long>(all.passed),
                3.0 / static_cast<double>(std::max<uint64_t>(all.passed, 1)));
    std::printf("sim: %llu passed, %llu failed\n", static_cast<unsigned long long>(all.passed),
                static_cast<unsigned long long>(all.failed));
    return all.failed == 0 && all.passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
  }

 private:
  static_assert(std::is_trivially_copyable_v<Counters>, "they go through a pipe");
  struct Share {
    Counters counters;
    uint64_t passed = 0, failed = 0;
  };

  // Every `jobs`-th seed, from the `job`-th one on.
  Share RunShare(uint64_t first, uint64_t seeds, uint64_t job, uint64_t jobs) const {
    Share share{};
    for (uint64_t seed = first + job; seed < first + seeds; seed += jobs) {
      Result result = RunOne(seed, (seed - first) % twice_one_in == 0);
      const CounterFields sums = fields(share.counters), parts = fields(result.counters);
      for (size_t i = 0; i < sums.size(); ++i) *sums[i].second += *parts[i].second;
      ++(result.broken.empty() ? share.passed : share.failed);
      if (result.broken.empty()) continue;
      std::printf("seed %llu: %s\n  replay: %s --seed %llu --seeds 1\n", static_cast<unsigned long long>(seed),
                  result.broken.c_str(), replay.c_str(), static_cast<unsigned long long>(seed));
      std::fflush(stdout);
    }
    return share;
  }

  // A process that ends without its sums has failed once.
  Share RunApart(uint64_t first, uint64_t seeds, uint64_t jobs) const {
    std::fflush(nullptr);
    std::vector<int> pipes;
    for (uint64_t job = 0; job < jobs; ++job) {
      int ends[2];
      PCHECK(pipe(ends) == 0);
      const pid_t child = fork();
      PCHECK(child >= 0);
      if (child == 0) {
        const Share share = RunShare(first, seeds, job, jobs);
        const bool written = write(ends[1], &share, sizeof share) == static_cast<ssize_t>(sizeof share);
        _exit(written ? EXIT_SUCCESS : EXIT_FAILURE);
      }
      close(ends[1]);
      pipes.push_back(ends[0]);
    }
    Share all{};
    for (const int in : pipes) {
      Share share{};
      const bool whole = read(in, &share, sizeof share) == static_cast<ssize_t>(sizeof share);
      close(in);
      const CounterFields sums = fields(all.counters), parts = fields(share.counters);
      for (size_t i = 0; whole && i < sums.size(); ++i) *sums[i].second += *parts[i].second;
      all.passed += whole ? share.passed : 0;
      all.failed += whole ? share.failed : 1;
    }
    while (wait(nullptr) > 0) {
    }
    return all;
  }

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
