// Bugs of other servers, on the whole node under virtual time: the simulation's checkers must be quiet, and what each
// bug needs to show itself must have happened. tests/regress/table says which bug each number is.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "glog/logging.h"
#include "tests/regress/planted_bug.h"
#include "tests/sim/run.h"

namespace regent::sim {
namespace {

constexpr uint64_t kSeeds = 12;

class SimRegression : public testing::Test {
 protected:
  void SetUp() override {
    FLAGS_minloglevel = google::FATAL;  // that the disk breaks is no news here
    const std::string bug = regress::PlantedBug();
    Mutants mutants;
    ASSERT_TRUE(bug.empty() || Plant(bug, &mutants)) << "no such planted bug: " << bug;
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      results_.push_back(sim::Run({.seed = seed, .operations = 2000, .mutants = mutants}));
      EXPECT_EQ(results_.back().broken, "") << "seed " << seed;
    }
  }
  // How often it happened in all runs.
  uint64_t Sum(const std::function<uint64_t(const RunCounters&)>& of) const {
    uint64_t sum = 0;
    for (const RunResult& result : results_) sum += of(result.counters);
    return sum;
  }

  std::vector<RunResult> results_;
};

TEST_F(SimRegression, RK07_ATransactionThatCannotReadIsRefusedInEveryReplay) {
  EXPECT_GT(Sum([](const RunCounters& c) { return c.work.txns_refused; }), 100u);
  EXPECT_GT(Sum([](const RunCounters& c) { return c.power_losses; }), 20u);
}

TEST_F(SimRegression, RK10_AWatcherFromTheCompactedRevisionHearsOfTheDeleteThere) {
  EXPECT_GT(Sum([](const RunCounters& c) { return c.watch.from_compacted; }), 50u);
  EXPECT_GT(Sum([](const RunCounters& c) { return c.work.tombstones_compacted; }), 50u);
}

TEST_F(SimRegression, RK13_NoEventComesTwice) {
  EXPECT_GT(Sum([](const RunCounters& c) { return c.watch.events; }), 10'000u);
  EXPECT_GT(Sum([](const RunCounters& c) { return c.work.txns; }), 500u);
}

TEST_F(SimRegression, RK22_ProgressIsInStepWithTheEventsAndComesOnIdleStreamsToo) {
  EXPECT_GT(Sum([](const RunCounters& c) { return c.watch.progress_answered; }), 200u);
  EXPECT_GT(Sum([](const RunCounters& c) { return c.watch.progress_periodic; }), 200u);
}

TEST_F(SimRegression, RK23_AWatcherThatTheCompactionOvertakesIsCancelledAndMissesNothing) {
  EXPECT_GT(Sum([](const RunCounters& c) { return c.watch.full; }), 200u);
  EXPECT_GT(Sum([](const RunCounters& c) { return c.watch.compacted; }), 200u);
}

TEST_F(SimRegression, RK25_AResumedWatcherReceivesNothingTwice) {
  EXPECT_GT(Sum([](const RunCounters& c) { return c.watch.resumed; }), 200u);
}

TEST_F(SimRegression, RK33_NoRenewalOfALeaseThatHasEnded) {
  EXPECT_GT(Sum([](const RunCounters& c) { return c.work.renewals_of_gone; }), 200u);
  EXPECT_GT(Sum([](const RunCounters& c) { return c.work.expiries; }), 200u);
}

}  // namespace
}  // namespace regent::sim
