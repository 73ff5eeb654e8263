// Commitment: when an entry is committed, and when it is applied.
#include <gtest/gtest.h>

#include "tests/raft/bench.h"

namespace regent::raft {
namespace {

TEST(Commit, NeedsAMajorityOfMatchingIndexes) {
  Bench bench({.configuration = MakeConfiguration(5)});
  bench.BecomeLeader({2, 3});
  bench.Drain();
  bench.core().Propose("a");
  bench.Drain();
  bench.Step(2, 1, AppendAccepted{.match = {2}});
  EXPECT_EQ(bench.core().commit(), Index{0});
  bench.Step(3, 1, AppendAccepted{.match = {1}});
  EXPECT_EQ(bench.core().commit(), Index{1});
  bench.Step(4, 1, AppendAccepted{.match = {2}});
  EXPECT_EQ(bench.core().commit(), Index{2});
}

TEST(Commit, AnEntryOfAnEarlierTermIsNotCommittedByCounting) {
  Bench bench({.terms = {1, 2}});
  bench.BecomeLeader({2});
  bench.Drain();
  bench.Step(2, 3, AppendAccepted{.match = {2}});
  EXPECT_EQ(bench.core().commit(), Index{0}) << "figure 8";
  bench.Step(2, 3, AppendAccepted{.match = {3}});
  EXPECT_EQ(bench.core().commit(), Index{3}) << "together with the first entry of the own term";
}

TEST(Commit, LearnersDoNotCount) {
  Bench bench({.configuration = MakeConfiguration(3, 2)});
  bench.BecomeLeader({2});
  bench.Drain();
  bench.Step(4, 1, AppendAccepted{.match = {1}});
  bench.Step(5, 1, AppendAccepted{.match = {1}});
  EXPECT_EQ(bench.core().commit(), Index{0});
}

TEST(Commit, AJointConfigurationNeedsBothMajorities) {
  Configuration joint = MakeConfiguration(3);
  joint.outgoing_voters = {{1}, {4}, {5}};
  Bench bench({.configuration = joint});
  bench.BecomeLeader({2, 4});
  bench.Drain();
  ASSERT_EQ(bench.core().role(), Role::kLeader);
  bench.Step(2, 1, AppendAccepted{.match = {1}});
  bench.Step(3, 1, AppendAccepted{.match = {1}});
  EXPECT_EQ(bench.core().commit(), Index{0});
  bench.Step(5, 1, AppendAccepted{.match = {1}});
  EXPECT_EQ(bench.core().commit(), Index{1});
}

TEST(Commit, TheLeaderCountsItselfOnlyForDurableEntries) {
  Bench bench({});
  bench.BecomeLeader({2});
  const Output output = bench.core().TakeOutput();  // the no-op is on its way to the disk
  bench.Step(2, 1, AppendAccepted{.match = {1}});
  EXPECT_EQ(bench.core().commit(), Index{0});
  bench.core().Persisted(*output.step);
  EXPECT_EQ(bench.core().commit(), Index{1});
}

TEST(Commit, AQuorumWithoutTheLeadersDiskCommitsAndTheLeaderAppliesLater) {
  Bench bench({});
  bench.BecomeLeader({2});
  const Output output = bench.core().TakeOutput();
  bench.Step(2, 1, AppendAccepted{.match = {1}});
  bench.Step(3, 1, AppendAccepted{.match = {1}});
  EXPECT_EQ(bench.core().commit(), Index{1});
  EXPECT_TRUE(bench.core().TakeOutput().apply.empty());
  bench.core().Persisted(*output.step);
  EXPECT_EQ(bench.core().TakeOutput().apply.size(), 1u);
}

TEST(Commit, ANodeAloneCommitsOnlyAfterPersisted) {
  Bench bench({.configuration = MakeConfiguration(1)});
  bench.Drain();
  bench.core().Propose("a");
  const Output output = bench.core().TakeOutput();
  ASSERT_EQ(output.append.size(), 1u);
  EXPECT_TRUE(output.apply.empty());
  EXPECT_EQ(bench.core().commit(), Index{1});
  bench.core().Persisted(*output.step);
  EXPECT_EQ(bench.core().commit(), Index{2});
  EXPECT_EQ(bench.core().TakeOutput().apply.at(0).data.view(), "a");
}

TEST(Apply, HandsOutEveryEntryOnceInOrderWithinTheLimit) {
  CoreOptions options;
  options.apply_bytes_max = 10;
  Bench bench({.configuration = MakeConfiguration(1), .options = options});
  bench.Drain();
  for (int i = 0; i < 20; ++i) bench.core().Propose("1234");
  std::vector<Entry> applied;
  uint64_t out = 0;
  for (int turns = 0; applied.size() < 20 && turns < 1000; ++turns) {
    const Output output = bench.core().TakeOutput();
    if (output.step) bench.core().Persisted(*output.step);
    for (const Entry& entry : output.apply) out += entry.data.size();
    EXPECT_LE(out, 12u);
    applied.insert(applied.end(), output.apply.begin(), output.apply.end());
    if (turns % 3 == 2 && !applied.empty()) {
      bench.core().Applied(applied.back().index);
      out = 0;
    }
  }
  ASSERT_EQ(applied.size(), 20u);
  for (size_t i = 0; i < applied.size(); ++i) EXPECT_EQ(applied[i].index, Index{i + 2});
}

TEST(Apply, AnEntryLargerThanTheLimitIsHandedOutAlone) {
  CoreOptions options;
  options.apply_bytes_max = 1;
  Bench bench({.configuration = MakeConfiguration(1), .options = options});
  bench.Drain();
  bench.core().Propose("large");
  bench.core().Propose("larger");
  EXPECT_EQ(bench.Drain().apply.size(), 2u);
}

}  // namespace
}  // namespace regent::raft
