// Linearizable reads by ReadIndex.
#include <gtest/gtest.h>

#include "tests/raft/bench.h"

namespace regent::raft {
namespace {

// A leader of term 1 whose no-op is committed; 2 has acknowledged it.
Bench CommittedLeader(Configuration configuration = MakeConfiguration(3), CoreOptions options = {}) {
  Bench bench({.configuration = std::move(configuration), .options = options});
  bench.BecomeLeader({2});
  bench.Drain();
  bench.Step(2, 1, AppendAccepted{.match = {1}});
  bench.Drain();
  return bench;
}

TEST(Reads, ANodeAloneAnswersAtOnce) {
  Bench bench({.configuration = MakeConfiguration(1)});
  bench.Drain();
  ASSERT_TRUE(bench.core().ReadIndex({5}));
  EXPECT_EQ(bench.core().TakeOutput().reads, (std::vector<Read>{{.id = {5}, .index = {1}}}));
}

TEST(Reads, ANodeAloneAnswersNotBeforeItsOwnEntryIsCommitted) {
  Bench bench({.configuration = MakeConfiguration(1), .terms = {1, 1}});
  bench.core().Persisted(*bench.core().TakeOutput().step);
  ASSERT_EQ(bench.core().role(), Role::kLeader);
  ASSERT_TRUE(bench.core().ReadIndex({5}));
  const Output output = bench.core().TakeOutput();
  EXPECT_TRUE(output.reads.empty());
  bench.core().Persisted(*output.step);
  EXPECT_EQ(bench.core().TakeOutput().reads, (std::vector<Read>{{.id = {5}, .index = {3}}}));
}

TEST(Reads, TheOnlyVoterOfOneHalfAsksTheOther) {
  Bench bench = CommittedLeader(MakeConfiguration(2));
  const auto change =
      bench.core().ProposeConfiguration({.target = MakeConfiguration(1), .expected = {}, .context = {}});
  ASSERT_TRUE(std::holds_alternative<Proposed>(change));
  bench.Drain();
  ASSERT_TRUE(bench.core().ReadIndex({5}));
  EXPECT_TRUE(bench.Drain().reads.empty());
  bench.Step(2, 1, HeartbeatReply{.context = 1});
  EXPECT_EQ(bench.Drain().reads.size(), 1u);
}

TEST(Reads, ANewLeaderAnswersNothingBeforeItsNoOpIsCommitted) {
  Bench bench({.terms = {1, 1}});
  bench.BecomeLeader({2});
  bench.Drain();
  ASSERT_TRUE(bench.core().ReadIndex({5}));
  EXPECT_TRUE(Bodies<Heartbeat>(bench.Drain().send).empty()) << "the round does not even start";
  bench.Step(2, 2, AppendAccepted{.match = {3}});
  EXPECT_EQ(Bodies<Heartbeat>(bench.Drain().send).at(0).context, 1u);
  bench.Step(2, 2, HeartbeatReply{.context = 1});
  EXPECT_EQ(bench.Drain().reads, (std::vector<Read>{{.id = {5}, .index = {3}}}));
}

TEST(Reads, TheReadsOfATurnShareARound) {
  Bench bench = CommittedLeader();
  for (uint64_t id = 1; id <= 100; ++id) ASSERT_TRUE(bench.core().ReadIndex({id}));
  EXPECT_EQ(Bodies<Heartbeat>(bench.Drain().send).size(), 2u);
  bench.Step(3, 1, HeartbeatReply{.context = 1});
  EXPECT_EQ(bench.Drain().reads.size(), 100u);
}

TEST(Reads, AnAnswerToAnEarlierRoundConfirmsNoLaterOne) {
  Bench bench = CommittedLeader();
  bench.core().ReadIndex({1});
  bench.Drain();
  bench.core().ReadIndex({2});
  bench.Drain();
  bench.Step(2, 1, HeartbeatReply{.context = 1});
  EXPECT_EQ(bench.Drain().reads, (std::vector<Read>{{.id = {1}, .index = {1}}}));
  bench.Step(3, 1, HeartbeatReply{.context = 1});
  bench.Step(2, 1, HeartbeatReply{.context = 1});
  EXPECT_TRUE(bench.Drain().reads.empty());
  bench.Step(3, 1, HeartbeatReply{.context = 2});
  EXPECT_EQ(bench.Drain().reads.size(), 1u);
}

TEST(Reads, AnAnswerToALaterRoundConfirmsTheEarlierOnes) {
  Bench bench = CommittedLeader();
  bench.core().ReadIndex({1});
  bench.Drain();
  bench.core().ReadIndex({2});
  bench.Drain();
  bench.Step(2, 1, HeartbeatReply{.context = 2});
  EXPECT_EQ(bench.Drain().reads.size(), 2u);
}

TEST(Reads, AnAnswerWithAContextNeverSentConfirmsNothing) {
  Bench bench = CommittedLeader();
  bench.core().ReadIndex({1});
  bench.Drain();
  bench.Step(2, 1, HeartbeatReply{.context = 7});
  EXPECT_TRUE(bench.Drain().reads.empty());
}

TEST(Reads, TheIndexIsTheCommitIndexWhenTheRoundStarted) {
  Bench bench = CommittedLeader();
  bench.core().ReadIndex({1});
  bench.core().Propose("later");
  bench.Drain();
  bench.Step(2, 1, AppendAccepted{.match = {2}});
  bench.Step(2, 1, HeartbeatReply{.context = 1});
  EXPECT_EQ(bench.Drain().reads.at(0).index, Index{1});
}

TEST(Reads, FailWhenLeadershipIsLost) {
  Bench bench = CommittedLeader();
  bench.core().ReadIndex({1});
  bench.Drain();
  bench.core().ReadIndex({2});
  bench.Step(3, 9, AppendRejected{});
  EXPECT_EQ(bench.Drain().reads_failed, (std::vector<ReadId>{{1}, {2}}));
}

TEST(Reads, DoNotWaitForTheOwnDisk) {
  Bench bench = CommittedLeader();
  bench.core().Propose("a");
  const Output slow = bench.core().TakeOutput();  // the disk takes its time
  bench.core().ReadIndex({1});
  EXPECT_EQ(Bodies<Heartbeat>(bench.core().TakeOutput().send).size(), 2u);
  bench.Step(2, 1, HeartbeatReply{.context = 1});
  EXPECT_EQ(bench.core().TakeOutput().reads.size(), 1u);
}

TEST(Reads, ALearnersAnswerConfirmsNothing) {
  Bench bench = CommittedLeader(MakeConfiguration(3, 1));
  bench.core().ReadIndex({1});
  bench.Drain();
  bench.Step(4, 1, HeartbeatReply{.context = 1});
  EXPECT_TRUE(bench.Drain().reads.empty());
}

TEST(Reads, WithoutALeaderAreRefused) {
  Bench bench({});
  EXPECT_FALSE(bench.core().ReadIndex({1}));
}

TEST(Reads, AreBounded) {
  CoreOptions options;
  options.reads_max = 2;
  Bench bench = CommittedLeader(MakeConfiguration(3), options);
  EXPECT_TRUE(bench.core().ReadIndex({1}));
  EXPECT_TRUE(bench.core().ReadIndex({2}));
  EXPECT_FALSE(bench.core().ReadIndex({3}));
  bench.Drain();
  EXPECT_FALSE(bench.core().ReadIndex({3}));
  bench.Step(2, 1, HeartbeatReply{.context = 1});
  EXPECT_TRUE(bench.core().ReadIndex({3}));
}

TEST(FollowerReads, AskTheLeaderAndTakeItsIndex) {
  Bench bench({});
  bench.Step(2, 1, Heartbeat{});
  bench.Drain();
  ASSERT_TRUE(bench.core().ReadIndex({1}));
  ASSERT_TRUE(bench.core().ReadIndex({2}));
  const auto requests = Bodies<ReadIndexRequest>(bench.Drain().send);
  ASSERT_EQ(requests.size(), 1u);
  bench.Step(2, 1, ReadIndexReply{.round = requests[0].round, .index = {7}});
  EXPECT_EQ(bench.Drain().reads, (std::vector<Read>{{.id = {1}, .index = {7}}, {.id = {2}, .index = {7}}}));
}

TEST(FollowerReads, ALateAnswerDoesNotSatisfyANewRead) {
  Bench bench({});
  bench.Step(2, 1, Heartbeat{});
  bench.Drain();
  bench.core().ReadIndex({1});
  const uint64_t old_round = Bodies<ReadIndexRequest>(bench.Drain().send).at(0).round;
  for (int i = 0; i < 10; ++i) {  // no answer for an election timeout, but the leader is heard
    bench.core().Tick();
    bench.Step(2, 1, Heartbeat{});
  }
  const uint64_t new_round = Bodies<ReadIndexRequest>(bench.Drain().send).at(0).round;
  EXPECT_NE(new_round, old_round);
  bench.Step(2, 1, ReadIndexReply{.round = old_round, .index = {3}});
  EXPECT_TRUE(bench.Drain().reads.empty());
  bench.Step(2, 1, ReadIndexReply{.round = new_round, .index = {4}});
  EXPECT_EQ(bench.Drain().reads.at(0).index, Index{4});
}

TEST(FollowerReads, RoundsOfTwoRunsDiffer) {
  const auto first_round = [](uint64_t seed) {
    Bench bench({.seed = seed});
    bench.Step(2, 1, Heartbeat{});
    bench.core().ReadIndex({1});
    return Bodies<ReadIndexRequest>(bench.Drain().send).at(0).round;
  };
  EXPECT_NE(first_round(1), first_round(2));
}

TEST(FollowerReads, FailWhenTheLeaderChangesOrIsGone) {
  Bench bench({});
  bench.Step(2, 1, Heartbeat{});
  bench.core().ReadIndex({1});
  bench.Drain();
  bench.Step(3, 2, Heartbeat{});
  EXPECT_EQ(bench.Drain().reads_failed.size(), 1u);
  bench.core().ReadIndex({2});
  bench.core().PeerGone({3}, {2});
  EXPECT_EQ(bench.Drain().reads_failed.size(), 1u);
}

TEST(FollowerReads, TheLeaderAnswersThemByTheSameRounds) {
  Bench bench = CommittedLeader();
  bench.Step(3, 1, ReadIndexRequest{.round = 77});
  bench.Drain();
  bench.Step(2, 1, HeartbeatReply{.context = 1});
  EXPECT_EQ(Bodies<ReadIndexReply>(bench.Drain().send).at(0), (ReadIndexReply{.round = 77, .index = {1}}));
}

}  // namespace
}  // namespace regent::raft
