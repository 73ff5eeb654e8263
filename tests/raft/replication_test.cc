// Replication: AppendEntries of figure 2, seen from the follower and from the leader.
#include <gtest/gtest.h>

#include "tests/raft/bench.h"

namespace regent::raft {
namespace {

AppendRequest Append(uint64_t prev_index, uint64_t prev_term, const std::vector<uint64_t>& terms, uint64_t commit = 0) {
  AppendRequest request{.prev_index = {prev_index}, .prev_term = {prev_term}, .commit = {commit}};
  for (uint64_t term : terms) {
    request.entries.push_back({.index = {prev_index + request.entries.size() + 1}, .term = {term}});
  }
  return request;
}

TEST(Follower, RejectsAnAppendWhosePreviousEntryItLacks) {
  Bench bench({.terms = {1, 1}});
  bench.Step(2, 2, Append(3, 1, {2}));
  const Output output = bench.Drain();
  EXPECT_EQ(Bodies<AppendRejected>(output.send).at(0),
            (AppendRejected{.rejected = {3}, .hint_index = {2}, .hint_term = {1}}));
  EXPECT_EQ(bench.core().last_index(), Index{2});
}

TEST(Follower, RejectsAnAppendWhosePreviousEntryHasAnotherTerm) {
  Bench bench({.terms = {1, 2, 2}});
  bench.Step(2, 4, Append(3, 3, {4}));
  EXPECT_EQ(Bodies<AppendRejected>(bench.Drain().send).at(0),
            (AppendRejected{.rejected = {3}, .hint_index = {3}, .hint_term = {2}}));
}

TEST(Follower, ItsHintSkipsEntriesOfHigherTermsThanTheLeaderHasThere) {
  Bench bench({.terms = {1, 3, 3, 3}});
  bench.Step(2, 4, Append(3, 2, {4}));
  EXPECT_EQ(Bodies<AppendRejected>(bench.Drain().send).at(0),
            (AppendRejected{.rejected = {3}, .hint_index = {1}, .hint_term = {1}}));
}

TEST(Follower, DeletesFromTheFirstConflictOnAndAppendsWhatIsNew) {
  Bench bench({.terms = {1, 1, 2, 2, 2}});
  bench.Step(2, 3, Append(1, 1, {1, 3}));
  const Output output = bench.Drain();
  ASSERT_EQ(output.append.size(), 1u) << "the entry already held is not written again";
  EXPECT_EQ(output.append[0].index, Index{3});
  EXPECT_EQ(output.append[0].term, Term{3});
  EXPECT_EQ(bench.core().last_index(), Index{3});
  EXPECT_EQ(Bodies<AppendAccepted>(output.send).at(0).match, Index{3});
}

TEST(Follower, ALateShorterAppendDoesNotShortenTheLog) {
  Bench bench({});
  bench.Step(2, 1, Append(0, 0, {1, 1, 1}));
  bench.Drain();
  bench.Step(2, 1, Append(0, 0, {1}));
  const Output output = bench.Drain();
  EXPECT_TRUE(output.append.empty());
  EXPECT_EQ(bench.core().last_index(), Index{3});
  EXPECT_EQ(Bodies<AppendAccepted>(output.send).at(0).match, Index{1});
}

TEST(Follower, CommitsTheSmallerOfTheLeadersCommitAndTheLastNewEntry) {
  Bench bench({.terms = {1, 1, 1}});
  bench.Step(2, 1, Append(1, 1, {}, 9));
  EXPECT_EQ(bench.core().commit(), Index{1}) << "entries 2 and 3 may not be the leader's";
  bench.Step(2, 1, Append(1, 1, {1}, 9));
  EXPECT_EQ(bench.core().commit(), Index{2});
  bench.Step(2, 1, Append(2, 1, {}, 1));
  EXPECT_EQ(bench.core().commit(), Index{2}) << "it never goes back";
}

TEST(Follower, IgnoresAHeartbeatsCommitThatItsLogDoesNotReach) {
  Bench bench({.terms = {1}});
  bench.Step(2, 1, Heartbeat{.commit = {5}});
  EXPECT_EQ(bench.core().commit(), Index{0});
}

TEST(Follower, AnAppendBelowTheCommitIndexIsAcknowledgedWithTheCommitIndex) {
  Bench bench({.terms = {1, 1, 1}, .applied = 3});
  bench.Step(2, 2, Append(0, 0, {1, 1}));
  EXPECT_EQ(Bodies<AppendAccepted>(bench.Drain().send).at(0).match, Index{3});
  EXPECT_EQ(bench.core().last_index(), Index{3});
}

TEST(Follower, DropsAnAppendThatNoCoreSends) {
  Bench bench({});
  AppendRequest gap = Append(0, 0, {1, 1});
  gap.entries[1].index = {3};
  bench.Step(2, 1, gap);
  bench.Step(2, 1, Append(0, 0, {2}));     // an entry of a term above the leader's
  bench.Step(2, 1, Append(0, 0, {1, 0}));  // terms never fall
  EXPECT_TRUE(bench.Drain().send.empty());
  EXPECT_EQ(bench.core().last_index(), Index{0});
}

TEST(FollowerDeathTest, StopsRatherThanOverwriteACommittedEntry) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Bench bench({.terms = {1, 1, 1}, .applied = 2});
  EXPECT_DEATH(bench.Step(2, 3, Append(0, 0, {1, 2, 3})), "raft invariant broken");
}

TEST(FollowerDeathTest, StopsWhenATermHasTwoLeaders) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Bench bench({});
  bench.Step(2, 1, Heartbeat{});
  EXPECT_DEATH(bench.Step(3, 1, Heartbeat{}), "raft invariant broken");
}

TEST(Leader, BeginsItsTermWithAnEmptyEntryForEverybody) {
  Bench bench({.terms = {1}});
  bench.BecomeLeader({2});
  const Output output = bench.core().TakeOutput();
  ASSERT_EQ(output.append.size(), 1u);
  EXPECT_EQ(output.append[0], (Entry{.index = {2}, .term = {2}}));
  EXPECT_EQ(Bodies<AppendRequest>(output.send).size(), 2u) << "sent in parallel with the own disk";
}

TEST(Leader, ProbesUntilItKnowsTheLastCommonEntryThenRunsAhead) {
  Bench bench({});
  bench.BecomeLeader({2});
  EXPECT_EQ(Bodies<AppendRequest>(bench.Drain().send).size(), 2u);
  bench.core().Propose("a");
  EXPECT_TRUE(bench.Drain().send.empty()) << "one probe at a time";
  bench.Step(2, 1, AppendAccepted{.match = {1}});
  bench.Drain();
  bench.core().Propose("b");
  bench.core().Propose("c");
  const auto appends = Bodies<AppendRequest>(bench.Drain().send);
  ASSERT_EQ(appends.size(), 1u) << "one message for a turn's proposals";
  EXPECT_EQ(appends[0].entries.size(), 2u);
}

TEST(Leader, FindsTheCommonEntryInARoundTripPerTerm) {
  // The leader's log against a follower's with terms 1 1 1 2 2 2 3 3 3 (figure 7, case f).
  Bench bench({.terms = {1, 1, 1, 4, 4, 5, 5, 6, 6, 6}});
  bench.BecomeLeader({2});
  bench.Drain();
  bench.Step(3, 7, AppendRejected{.rejected = {10}, .hint_index = {9}, .hint_term = {3}});
  const auto appends = Bodies<AppendRequest>(bench.Drain().send);
  ASSERT_EQ(appends.size(), 1u);
  EXPECT_EQ(appends[0].prev_index, Index{3}) << "above it this log has only terms that the other never saw";
  EXPECT_EQ(appends[0].entries.size(), 8u);
}

TEST(Leader, ALateRejectionChangesNothing) {
  Bench bench({.terms = {1, 1}});
  bench.BecomeLeader({2});
  bench.Drain();
  bench.Step(2, 2, AppendAccepted{.match = {3}});
  bench.Drain();
  bench.Step(2, 2, AppendRejected{.rejected = {2}, .hint_index = {1}, .hint_term = {1}});
  EXPECT_TRUE(bench.Drain().send.empty());
}

TEST(Leader, TellsANewCommitIndexWithoutWaitingForEntriesOrHeartbeats) {
  Bench bench({});
  bench.BecomeLeader({2});
  bench.Drain();
  bench.Step(2, 1, AppendAccepted{.match = {1}});
  const auto appends = Bodies<AppendRequest>(bench.Drain().send);
  ASSERT_EQ(appends.size(), 1u);
  EXPECT_EQ(appends[0].commit, Index{1});
}

TEST(Leader, AHeartbeatNeverNamesACommitThatTheReceiverHasNotAcknowledged) {
  Bench bench({});
  bench.BecomeLeader({2});
  bench.Drain();
  bench.Step(2, 1, AppendAccepted{.match = {1}});
  bench.Drain();
  bench.core().Tick();
  for (const Message& message : bench.Drain().send) {
    if (const auto* heartbeat = std::get_if<Heartbeat>(&message.body)) {
      EXPECT_EQ(heartbeat->commit, message.to == NodeId{2} ? Index{1} : Index{0});
    }
  }
}

TEST(Leader, TheAnswerToAHeartbeatMakesGoodALostAppend) {
  Bench bench({});
  bench.BecomeLeader({2});
  bench.Drain();
  bench.Step(2, 1, AppendAccepted{.match = {1}});
  bench.core().Propose("lost");
  bench.Drain();
  bench.Step(2, 1, HeartbeatReply{});
  const auto probes = Bodies<AppendRequest>(bench.Drain().send);
  ASSERT_EQ(probes.size(), 1u);
  EXPECT_TRUE(probes[0].entries.empty());
  bench.Step(2, 1, AppendRejected{.rejected = probes[0].prev_index, .hint_index = {1}, .hint_term = {1}});
  EXPECT_EQ(Bodies<AppendRequest>(bench.Drain().send).at(0).entries.at(0).data.view(), "lost");
}

TEST(Leader, IgnoresAnAcknowledgementOfWhatItDoesNotHave) {
  Bench bench({});
  bench.BecomeLeader({2});
  bench.Drain();
  bench.Step(2, 1, AppendAccepted{.match = {99}});
  bench.Step(9, 1, AppendAccepted{.match = {1}});
  EXPECT_EQ(bench.core().commit(), Index{0});
}

}  // namespace
}  // namespace regent::raft
