// Random schedules, and the planted bugs they must find.
//
//   REGENT_RAFT_SEEDS=100000   how many seeds
//   REGENT_RAFT_STEPS=5000     how long each schedule is
//   REGENT_RAFT_SEED=17        replays one with a trace
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/raft/explorer.h"

namespace regent::raft {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

TEST(Explorer, FindsNothingBrokenInRandomSchedules) {
  const uint64_t replay = FromEnvironment("REGENT_RAFT_SEED", 0);
  const uint64_t seeds = replay != 0 ? 1 : FromEnvironment("REGENT_RAFT_SEEDS", 2500);
  const auto steps = static_cast<uint32_t>(FromEnvironment("REGENT_RAFT_STEPS", 400));
  Coverage coverage;
  for (uint64_t seed = replay != 0 ? replay : 1, i = 0; i < seeds; ++seed, ++i) {
    const auto broken = Explore({.seed = seed, .steps = steps, .trace = replay != 0}, coverage);
    for (const std::string& what : broken) ADD_FAILURE() << what;
    ASSERT_TRUE(broken.empty()) << "replay: REGENT_RAFT_SEED=" << seed
                                << " raft_tests --gtest_filter='Explorer.Finds*'";
  }
  for (const auto& [what, count] : coverage)
    std::printf("  %-24s %llu\n", what.c_str(), static_cast<unsigned long long>(count));
  std::printf("  %llu seeds, 0 violations: the true rate is below %.2g per seed (95 %%)\n",
              static_cast<unsigned long long>(seeds), 3.0 / static_cast<double>(seeds));
  if (replay != 0) return;
  for (const char* what : {"leaders",
                           "commits",
                           "crashes",
                           "steps torn",
                           "steps persisted",
                           "truncations",
                           "conflicts",
                           "messages lost",
                           "messages repeated",
                           "messages reordered",
                           "appends rejected",
                           "cuts",
                           "peer gone",
                           "reads answered",
                           "reads failed",
                           "reads refused",
                           "fetches for apply",
                           "fetches for peers",
                           "releases",
                           "group commits",
                           "pre-votes",
                           "leaders stranded",
                           "entries applied",
                           "proposals",
                           "proposals refused",
                           "proposals refused full",
                           "changes",
                           "changes refused",
                           "joint states",
                           "joint states left",
                           "transfers",
                           "transfers refused",
                           "snapshots sent",
                           "snapshots not sent",
                           "installs",
                           "installs failed",
                           "campaigns by transfer"}) {
    EXPECT_GT(coverage[what], 0u) << what << " never happened";
  }
}

TEST(Explorer, TheSameSeedGivesTheSameSchedule) {
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    Coverage first, second;
    Explore({.seed = seed}, first);
    Explore({.seed = seed}, second);
    EXPECT_EQ(first, second) << seed;
  }
}

struct Mutant {
  const char* name;
  CoreMutants mutants;
};

class ExplorerCanary : public testing::TestWithParam<Mutant> {};

// In a process of its own: a mutant may also be stopped by a check of the core, which counts as found.
TEST_P(ExplorerCanary, IsFound) {
  std::fflush(stdout);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(3);
    Coverage coverage;
    for (uint64_t seed = 1; seed <= 10000; ++seed) {
      const auto broken = Explore({.seed = seed, .mutants = GetParam().mutants, .demand_progress = false}, coverage);
      if (broken.empty()) continue;
      std::printf("  %s: seed %llu: %s\n", GetParam().name, static_cast<unsigned long long>(seed),
                  broken.front().c_str());
      std::fflush(stdout);
      _exit(0);
    }
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  const bool stopped_itself = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  if (stopped_itself) std::printf("  %s: stopped by a check of the core\n", GetParam().name);
  EXPECT_TRUE(stopped_itself || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) << GetParam().name << " was not found";
}

INSTANTIATE_TEST_SUITE_P(
    Mutants, ExplorerCanary,
    testing::Values(Mutant{"commit_earlier_terms_by_count", {.commit_earlier_terms_by_count = true}},
                    Mutant{"read_before_own_term_commit", {.read_before_own_term_commit = true}},
                    Mutant{"read_without_quorum", {.read_without_quorum = true}},
                    Mutant{"acknowledge_before_persist", {.acknowledge_before_persist = true}},
                    Mutant{"vote_twice", {.vote_twice = true}},
                    Mutant{"vote_for_shorter_log", {.vote_for_shorter_log = true}},
                    Mutant{"count_own_unpersisted_entries", {.count_own_unpersisted_entries = true}},
                    Mutant{"persisted_without_term_check", {.persisted_without_term_check = true}},
                    Mutant{"append_without_log_matching", {.append_without_log_matching = true}},
                    Mutant{"truncate_on_every_append", {.truncate_on_every_append = true}},
                    Mutant{"apply_before_persist", {.apply_before_persist = true}},
                    Mutant{"change_without_joint", {.change_without_joint = true}},
                    Mutant{"change_while_pending", {.change_while_pending = true}},
                    Mutant{"change_before_own_term_commit", {.change_before_own_term_commit = true}},
                    Mutant{"joint_needs_incoming_only", {.joint_needs_incoming_only = true}},
                    Mutant{"keep_truncated_configuration", {.keep_truncated_configuration = true}},
                    Mutant{"snapshot_keeps_configuration", {.snapshot_keeps_configuration = true}}),
    [](const auto& mutant) { return std::string(mutant.param.name); });

}  // namespace
}  // namespace regent::raft
