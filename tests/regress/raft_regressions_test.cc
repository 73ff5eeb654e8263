// Bugs of other Raft libraries, on one core whose owner and peers the test plays. tests/regress/table says which bug
// each number is.
#include <gtest/gtest.h>

#include "raft/durability.h"
#include "tests/raft/bench.h"
#include "tests/regress/planted_bug.h"

namespace regent::raft {
namespace {

CoreMutants Planted() {
  const std::string bug = regress::PlantedBug();
  return {.commit_earlier_terms_by_count = bug == "commit_earlier_terms_by_count",
          .read_before_own_term_commit = bug == "read_before_own_term_commit",
          .persisted_without_term_check = bug == "persisted_without_term_check",
          .silent_to_lower_terms = bug == "silent_to_lower_terms",
          .uncommitted_unbounded = bug == "uncommitted_unbounded"};
}

// Two entries of terms 1 and 1 are committed; the new leader of term 2 does not know it. Were it to answer a read by
// its own commit index, the read would miss both.
TEST(RaftRegression, RK30_NoReadIndexBeforeAnEntryOfTheOwnTermIsCommitted) {
  Bench bench({.terms = {1, 1}, .mutants = Planted()});
  bench.BecomeLeader({2});
  bench.Drain();
  ASSERT_EQ(bench.core().role(), Role::kLeader);
  ASSERT_EQ(bench.core().commit(), Index{0});
  ASSERT_TRUE(bench.core().ReadIndex({5}));
  bench.Drain();
  // The followers confirm the leader in every round that it may have begun.
  for (const uint64_t follower : {2, 3}) bench.Step(follower, 2, HeartbeatReply{.context = 1});
  EXPECT_TRUE(bench.Drain().reads.empty()) << "a read index before the own term has committed";
  bench.Step(2, 2, AppendAccepted{.match = {3}});
  bench.Drain();
  for (const uint64_t follower : {2, 3}) bench.Step(follower, 2, HeartbeatReply{.context = 1});
  EXPECT_EQ(bench.Drain().reads, (std::vector<Read>{{.id = {5}, .index = {3}}}));
}

// Also where no quorum has to be asked: a node alone after its restart.
TEST(RaftRegression, RK30_NorOnANodeAlone) {
  Bench bench({.configuration = MakeConfiguration(1), .terms = {1, 1}, .mutants = Planted()});
  bench.core().Persisted(*bench.core().TakeOutput().step);
  ASSERT_EQ(bench.core().role(), Role::kLeader);
  ASSERT_TRUE(bench.core().ReadIndex({5}));
  const Output output = bench.core().TakeOutput();
  EXPECT_TRUE(output.reads.empty()) << "a read index before the own term has committed";
  bench.core().Persisted(*output.step);
  EXPECT_EQ(bench.core().TakeOutput().reads, (std::vector<Read>{{.id = {5}, .index = {3}}}));
}

// Figure 8 of the paper: S1 has entry 2 of term 2, is leader again in term 4, and replicates it to a majority. S5, with
// an entry of term 3 there, can still win and overwrite it: it is not committed before an entry of term 4 is.
TEST(RaftRegression, RK38_EntriesOfEarlierTermsAreNotCommittedByCounting) {
  Bench bench(
      {.configuration = MakeConfiguration(5), .terms = {1, 2}, .hard_state = {.term = {3}}, .mutants = Planted()});
  bench.BecomeLeader({2, 3});
  bench.Drain();
  ASSERT_EQ(bench.core().term(), Term{4});
  for (const uint64_t follower : {2, 3}) bench.Step(follower, 4, AppendAccepted{.match = {2}});
  EXPECT_EQ(bench.core().commit(), Index{0}) << "an entry of term 2 was committed in term 4 by counting";
  for (const uint64_t follower : {2, 3}) bench.Step(follower, 4, AppendAccepted{.match = {3}});
  EXPECT_EQ(bench.core().commit(), Index{3}) << "with the first entry of its own term they are all committed";
}

// An entry is overwritten while its write is on the way to the disk. What completes is the old entry.
TEST(RaftRegression, RK51_ACompletedWriteDoesNotVouchForAnEntryThatTookItsPlace) {
  Bench bench({.configuration = MakeConfiguration(3), .mutants = Planted()});
  bench.Step(3, 1, Heartbeat{});
  bench.Drain();
  bench.Step(3, 1, AppendRequest{.entries = {{.index = {1}, .term = {1}, .data = "old"}}});
  const Output old_write = bench.core().TakeOutput();
  ASSERT_TRUE(old_write.step.has_value());
  ASSERT_EQ(old_write.append.size(), 1u);
  bench.Step(2, 2, AppendRequest{.commit = {1}, .entries = {{.index = {1}, .term = {2}, .data = "new"}}});
  bench.core().Persisted(*old_write.step);
  EXPECT_EQ(bench.core().persisted_index(), Index{0}) << "the write of term 1 counts for the entry of term 2";
  const Output next = bench.core().TakeOutput();
  EXPECT_TRUE(Bodies<AppendAccepted>(next.send).empty()) << "an entry is acknowledged that a crash still loses";
  EXPECT_TRUE(next.apply.empty()) << "an entry is applied that a crash still loses";
  ASSERT_EQ(next.append.size(), 1u);
  EXPECT_EQ(next.append[0].data.view(), "new");
}

// Who is behind in terms must hear of it, whatever it sends. Else two cohorts may block each other for ever: one has
// the longer log, the other the higher term.
TEST(RaftRegression, RK43_WhoIsBehindInTermsIsToldWhateverItSends) {
  const std::vector<MessageBody> sent = {AppendRequest{}, Heartbeat{}, VoteRequest{.last_index = {9}, .last_term = {1}},
                                         PreVoteRequest{.campaign_term = {3}, .last_index = {9}, .last_term = {1}}};
  for (size_t kind = 0; kind < sent.size(); ++kind) {
    Bench bench({.terms = {1}, .hard_state = {.term = {7}}, .mutants = Planted()});
    bench.Drain();
    bench.Step(2, 2, sent[kind]);
    const std::vector<Message> answers = bench.Drain().send;
    ASSERT_EQ(answers.size(), 1u) << "nobody tells it of the higher term; message " << kind;
    EXPECT_EQ(answers[0].term, Term{7});
  }
  // And it believes it, as a candidate and as one that asks whether it may be one.
  Bench behind({.terms = {1, 1}, .mutants = Planted()});
  while (behind.core().role() == Role::kFollower) behind.core().Tick();
  behind.Drain();
  behind.Step(2, 7, PreVoteReply{.campaign_term = {2}, .granted = false});
  EXPECT_EQ(behind.core().term(), Term{7});
}

TEST(RaftRegression, RK52_WhatIsNotCommittedIsBounded) {
  CoreOptions options;
  options.uncommitted_bytes_max = 1 << 20;
  options.reads_max = 100;
  Bench bench({.options = options, .mutants = Planted()});
  bench.BecomeLeader({2});
  bench.Drain();
  const uint64_t begin = bench.core().last_index().value;
  int refused = 0;
  for (int i = 0; i < 10'000; ++i) {
    const ProposeResult result = bench.core().Propose(std::string(1000, 'v'));
    refused += std::holds_alternative<Refused>(result) ? 1 : 0;
    if (i % 100 == 0) bench.Drain();
  }
  EXPECT_LE((bench.core().last_index().value - begin) * 1000, options.uncommitted_bytes_max)
      << "without a quorum the log grows without a bound";
  EXPECT_GT(refused, 8000);
  uint64_t reads = 0;
  for (uint64_t i = 1; i <= 1000; ++i) reads += bench.core().ReadIndex({i}) ? 1 : 0;
  EXPECT_LE(reads, 100u);
}

}  // namespace
}  // namespace regent::raft
