// What waits for the disk, and what a completed write proves.
#include <gtest/gtest.h>

#include "raft/durability.h"
#include "tests/raft/bench.h"

namespace regent::raft {
namespace {

TEST(Durability, AtMostOneStepIsOutAndLaterEntriesGather) {
  Bench bench({.configuration = MakeConfiguration(1)});
  bench.Drain();
  bench.core().Propose("a");
  const Output first = bench.core().TakeOutput();
  bench.core().Propose("b");
  bench.core().Propose("c");
  EXPECT_FALSE(bench.core().TakeOutput().step);
  bench.core().Persisted(*first.step);
  EXPECT_EQ(bench.core().TakeOutput().append.size(), 2u) << "group commit";
}

TEST(Durability, AnAcknowledgementWaitsForTheEntriesAHeartbeatDoesNot) {
  Bench bench({});
  bench.Step(2, 1, Heartbeat{});
  bench.Drain();
  bench.Step(2, 1, AppendRequest{.entries = {{.index = {1}, .term = {1}, .data = "a"}}});
  bench.Step(2, 1, Heartbeat{});
  const Output output = bench.core().TakeOutput();
  EXPECT_EQ(Bodies<HeartbeatReply>(output.send).size(), 1u);
  EXPECT_EQ(Bodies<AppendAccepted>(output.send_after_persist).size(), 1u);
}

TEST(Durability, EveryReplyThatRevealsANewTermWaits) {
  Bench bench({});
  bench.Step(2, 4, Heartbeat{});
  const Output output = bench.core().TakeOutput();
  EXPECT_TRUE(output.send.empty());
  EXPECT_EQ(output.send_after_persist.size(), 1u);
  EXPECT_EQ(output.hard_state, (HardState{.term = {4}}));
}

TEST(Durability, AReplyThatBecameTrueWhileAStepWasOutLeavesWithoutANewOne) {
  Bench bench({});
  bench.Step(2, 1, AppendRequest{.entries = {{.index = {1}, .term = {1}}}});
  const Output output = bench.core().TakeOutput();
  bench.Step(2, 1, AppendRequest{.entries = {{.index = {1}, .term = {1}}}});  // repeated
  EXPECT_TRUE(bench.core().TakeOutput().send.empty());
  bench.core().Persisted(*output.step);
  const Output after = bench.core().TakeOutput();
  EXPECT_EQ(Bodies<AppendAccepted>(after.send).size(), 1u);
  EXPECT_FALSE(after.step);
}

TEST(Durability, AcknowledgementsOfATurnAreOneMessage) {
  Bench bench({});
  for (uint64_t i = 1; i <= 3; ++i) {
    bench.Step(2, 1,
               AppendRequest{.prev_index = {i - 1}, .prev_term = {i > 1}, .entries = {{.index = {i}, .term = {1}}}});
  }
  const auto accepted = Bodies<AppendAccepted>(bench.core().TakeOutput().send_after_persist);
  ASSERT_EQ(accepted.size(), 1u);
  EXPECT_EQ(accepted[0].match, Index{3});
}

TEST(Durability, AnAcknowledgementOfAnEarlierTermIsNeverSent) {
  Bench bench({});
  bench.Step(3, 1, Heartbeat{});
  const Output first = bench.core().TakeOutput();
  bench.Step(3, 1, AppendRequest{.entries = {{.index = {1}, .term = {1}, .data = "old"}}});
  bench.Step(2, 2, AppendRequest{.entries = {{.index = {1}, .term = {2}, .data = "new"}}});
  bench.core().Persisted(*first.step);
  const Output output = bench.Drain();
  for (const Message& message : output.send) EXPECT_EQ(message.to, NodeId{2});
  EXPECT_EQ(output.append.at(0).data.view(), "new");
}

// The ABA story of durability.h, at its source.
class Aba : public testing::Test {
 protected:
  Entry MakeEntry(uint64_t index, uint64_t term) { return {.index = {index}, .term = {term}}; }

  Output Take() {
    Output output;
    durability_.TakeInto(output, log_, 1 << 20);
    return output;
  }
  void Overwrite(uint64_t index, uint64_t term) {
    log_.TruncateFrom({index});
    durability_.Overwritten({index});
    log_.Append(MakeEntry(index, term));
  }

  Log log_{{}, {}, {}, {}, {}, {}};
  Durability durability_{{}, {}};
};

TEST_F(Aba, AnOverwrittenEntryIsNotDurable) {
  log_.Append(MakeEntry(1, 1));
  log_.Append(MakeEntry(2, 1));
  const Output step = Take();
  Overwrite(2, 2);
  durability_.Persisted(*step.step, log_, {});
  EXPECT_EQ(durability_.stable(), Index{1}) << "what lies below the overwritten one is";
  EXPECT_EQ(Take().append.at(0).index, Index{2});
}

TEST_F(Aba, AnEntryThatReturnedIsDurableAndNotWrittenAgain) {
  log_.Append(MakeEntry(1, 1));
  log_.Append(MakeEntry(2, 1));
  const Output step = Take();
  log_.TruncateFrom({2});
  durability_.Overwritten({2});
  log_.Append(MakeEntry(2, 1));  // the entry of the first leader again
  durability_.Persisted(*step.step, log_, {});
  EXPECT_EQ(durability_.stable(), Index{2});
  EXPECT_FALSE(Take().step);
}

TEST_F(Aba, AStepDoesNotVouchForEntriesAppendedLater) {
  log_.Append(MakeEntry(1, 1));
  const Output step = Take();
  log_.Append(MakeEntry(2, 1));
  durability_.Persisted(*step.step, log_, {});
  EXPECT_EQ(durability_.stable(), Index{1});
}

TEST_F(Aba, OverwritingDurableEntriesMakesThemUndurable) {
  log_.Append(MakeEntry(1, 1));
  log_.Append(MakeEntry(2, 1));
  durability_.Persisted(*Take().step, log_, {});
  Overwrite(1, 2);
  EXPECT_EQ(durability_.stable(), Index{0});
}

TEST_F(Aba, ATermThatChangedWhileTheStepWasOutIsWrittenByTheNext) {
  durability_.EnterTerm({1});
  const Output step = Take();
  durability_.EnterTerm({2});
  durability_.Persisted(*step.step, log_, {});
  EXPECT_FALSE(durability_.HardStateDurable());
  EXPECT_EQ(Take().hard_state, (HardState{.term = {2}}));
}

TEST_F(Aba, AStepIsBoundedAndItsMessagesWaitForTheirEntries) {
  for (uint64_t i = 1; i <= 4; ++i) log_.Append({.index = {i}, .term = {}, .data = "12345"});
  durability_.SendWhenDurable({.from = {1}, .to = {2}, .body = AppendAccepted{.match = {2}}}, {2});
  durability_.SendWhenDurable({.from = {1}, .to = {3}, .body = AppendAccepted{.match = {4}}}, {4});
  Output output;
  durability_.TakeInto(output, log_, 10);
  EXPECT_EQ(output.append.size(), 2u);
  ASSERT_EQ(output.send_after_persist.size(), 1u);
  EXPECT_EQ(output.send_after_persist[0].to, NodeId{2});
}

TEST(DurabilityDeathTest, AnAnswerToAStepThatIsNotOutStops) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Bench bench({});
  EXPECT_DEATH(bench.core().Persisted({7}), "raft invariant broken");
}

}  // namespace
}  // namespace regent::raft
