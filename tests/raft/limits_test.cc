// Every queue is bounded: messages, bytes in flight, proposals, memory; and what memory lacks is fetched from the log.
#include <gtest/gtest.h>

#include "raft/state.h"
#include "tests/raft/bench.h"

namespace regent::raft {
namespace {

TEST(Limits, AMessageCarriesAtMostItsBytesAndAtLeastAnEntry) {
  CoreOptions options;
  options.append_message_bytes_max = 10;
  Bench bench({.options = options});
  bench.BecomeLeader({2});
  bench.Drain();
  bench.Step(2, 1, AppendAccepted{.match = {1}});
  bench.Drain();
  for (const char* data : {"12345", "12345", "1", "a larger one than allowed", "1"}) bench.core().Propose(data);
  std::vector<size_t> sizes;
  for (const AppendRequest& append : Bodies<AppendRequest>(bench.Drain().send)) sizes.push_back(append.entries.size());
  EXPECT_EQ(sizes, (std::vector<size_t>{2, 1, 1, 1}));
}

TEST(Limits, MessagesInFlightAreBounded) {
  CoreOptions options;
  options.append_message_bytes_max = 1;
  options.in_flight_messages_max = 3;
  Bench bench({.options = options});
  bench.BecomeLeader({2});
  bench.Drain();
  bench.Step(2, 1, AppendAccepted{.match = {1}});
  bench.Drain();
  for (int i = 0; i < 10; ++i) bench.core().Propose("x");
  EXPECT_EQ(Bodies<AppendRequest>(bench.Drain().send).size(), 3u);
  bench.Step(2, 1, AppendAccepted{.match = {3}});
  EXPECT_EQ(Bodies<AppendRequest>(bench.Drain().send).size(), 2u) << "two were acknowledged";
}

TEST(Limits, BytesInFlightAreBounded) {
  CoreOptions options;
  options.append_message_bytes_max = 4;
  options.in_flight_bytes_max = 8;
  Bench bench({.options = options});
  bench.BecomeLeader({2});
  bench.Drain();
  bench.Step(2, 1, AppendAccepted{.match = {1}});
  bench.Drain();
  for (int i = 0; i < 10; ++i) bench.core().Propose("1234");
  EXPECT_EQ(Bodies<AppendRequest>(bench.Drain().send).size(), 2u);
}

TEST(Limits, UncommittedProposalsAreBoundedUntilTheyAreCommitted) {
  CoreOptions options;
  options.uncommitted_bytes_max = 10;
  Bench bench({.options = options});
  bench.BecomeLeader({2});
  bench.Drain();
  EXPECT_TRUE(std::holds_alternative<Proposed>(bench.core().Propose("12345")));
  EXPECT_TRUE(std::holds_alternative<Proposed>(bench.core().Propose("12345")));
  EXPECT_EQ(std::get<Refused>(bench.core().Propose("1")).reason, Refused::Reason::kFull);
  bench.Drain();
  bench.Step(2, 1, AppendAccepted{.match = {2}});
  EXPECT_TRUE(std::holds_alternative<Proposed>(bench.core().Propose("12345")));
}

TEST(Limits, ABatchIsTakenWhollyOrNotAtAll) {
  CoreOptions options;
  options.uncommitted_bytes_max = 10;
  Bench bench({.options = options});
  bench.BecomeLeader({2});
  bench.core().Propose("123456");
  std::vector<Bytes> batch = {"123", "456"};
  const Index last = bench.core().last_index();
  EXPECT_TRUE(std::holds_alternative<Refused>(bench.core().ProposeBatch(batch)));
  EXPECT_EQ(bench.core().last_index(), last);
  EXPECT_EQ(batch[0].view(), "123") << "nothing was moved from";
  batch.pop_back();
  EXPECT_EQ(std::get<Proposed>(bench.core().ProposeBatch(batch)).index, Index{last.value + 1});
}

TEST(Limits, MemoryKeepsABoundedTailOfCommittedDurableEntries) {
  CoreOptions options;
  options.memory_tail_bytes_max = 50;
  Bench bench({.configuration = MakeConfiguration(1), .options = options});
  for (int i = 0; i < 100; ++i) {
    bench.core().Propose("1234567890");
    bench.Drain();
  }
  EXPECT_LE(bench.core().state().node.log.memory_bytes(), 50u);
  EXPECT_EQ(bench.core().applied(), bench.core().last_index());
}

TEST(Backlog, IsFetchedOnceItIsKnownToBeCommitted) {
  const std::vector<Entry> disk = EntriesOfTerms({1, 1, 1, 1});
  Core core({.id = {1},
             .configuration = MakeConfiguration(1),
             .hard_state = {.term = {1}, .vote = {1}},
             .last_index = {4},
             .last_term = {1},
             .applied = {1}});
  core.Persisted(*core.TakeOutput().step);
  const Output no_op = core.TakeOutput();
  EXPECT_TRUE(no_op.fetch.empty()) << "not committed yet";
  core.Persisted(*no_op.step);
  const Output output = core.TakeOutput();
  ASSERT_EQ(output.fetch.size(), 1u);
  EXPECT_EQ(output.fetch[0].from, Index{2});
  EXPECT_EQ(output.fetch[0].through, Index{4});
  EXPECT_TRUE(core.TakeOutput().fetch.empty()) << "one fetch at a time";
  core.Fetched(output.fetch[0], std::vector<Entry>{disk[1], disk[2]});  // a shorter answer
  const Output first = core.TakeOutput();
  EXPECT_EQ(first.apply.size(), 2u);
  ASSERT_EQ(first.fetch.size(), 1u);
  EXPECT_EQ(first.fetch[0].from, Index{4});
  core.Fetched(first.fetch[0], std::vector<Entry>{disk[3]});
  const Output second = core.TakeOutput();
  ASSERT_EQ(second.apply.size(), 2u) << "the last one from disk and the no-op from memory";
  EXPECT_EQ(second.apply[1].index, Index{5});
}

TEST(Backlog, AReleasedBacklogStops) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Core core({.id = {1},
             .configuration = MakeConfiguration(1),
             .hard_state = {.term = {1}},
             .last_index = {2},
             .last_term = {1},
             .seed = 1});
  core.Persisted(*core.TakeOutput().step);
  core.Persisted(*core.TakeOutput().step);
  const Output output = core.TakeOutput();
  ASSERT_EQ(output.fetch.size(), 1u);
  EXPECT_DEATH(core.Fetched(output.fetch[0], Released{}), "raft invariant broken");
}

TEST(Backlog, AnAnswerThatNobodyAwaitsIsIgnored) {
  Core core({.id = {1}, .configuration = MakeConfiguration(1), .last_index = {0}});
  core.Fetched({.from = {1}, .through = {1}}, Released{});
  EXPECT_EQ(core.applied(), Index{0});
}

// A leader whose memory holds nothing of its old log: peers are served by fetches.
class FetchForPeer : public testing::Test {
 protected:
  FetchForPeer()
      : core_({.id = {1},
               .configuration = MakeConfiguration(3),
               .hard_state = {.term = {2}},
               .last_index = {6},
               .last_term = {2},
               .applied = {3},
               .terms = {{{4}, {2}}}}) {}

  Output Drain() {
    Output output = core_.TakeOutput();
    if (output.step) core_.Persisted(*output.step);
    return output;
  }
  void Step(uint64_t from, MessageBody body) {
    core_.Step({.from = {from}, .to = {1}, .term = core_.term(), .body = std::move(body)});
  }
  void Lead() {
    while (core_.role() == Role::kFollower) core_.Tick();
    Drain();
    Step(2, PreVoteReply{.campaign_term = {3}, .granted = true});
    Drain();
    Step(2, VoteReply{.granted = true});
    ASSERT_EQ(core_.role(), Role::kLeader);
    Drain();
  }

  Core core_;
};

TEST_F(FetchForPeer, AsksForTheEntryBeforeWhenItsTermIsNotKnown) {
  Lead();
  Step(3, AppendRejected{.rejected = {6}, .hint_index = {2}, .hint_term = {1}});
  const Output output = Drain();
  ASSERT_EQ(output.fetch.size(), 1u);
  EXPECT_EQ(output.fetch[0].purpose, LogFetch::Purpose::kPeer);
  EXPECT_EQ(output.fetch[0].peer, NodeId{3});
  EXPECT_EQ(output.fetch[0].from, Index{2});
  EXPECT_EQ(output.fetch[0].through, Index{6});
  const std::vector<Entry> disk = EntriesOfTerms({1, 1, 1, 2, 2, 2});
  core_.Fetched(output.fetch[0], std::vector<Entry>(disk.begin() + 1, disk.end()));
  const auto appends = Bodies<AppendRequest>(Drain().send);
  ASSERT_EQ(appends.size(), 1u);
  EXPECT_EQ(appends[0].prev_index, Index{2});
  EXPECT_EQ(appends[0].prev_term, Term{1});
  EXPECT_EQ(appends[0].entries.size(), 4u);
}

TEST_F(FetchForPeer, AnAnswerWithOnlyTheEntryBeforeIsFollowedByAnotherFetch) {
  Lead();
  Step(3, AppendRejected{.rejected = {6}, .hint_index = {2}, .hint_term = {1}});
  const Output output = Drain();
  core_.Fetched(output.fetch.at(0), std::vector<Entry>{{.index = {2}, .term = {1}}});
  const Output next = Drain();
  ASSERT_EQ(next.fetch.size(), 1u);
  EXPECT_EQ(next.fetch[0].from, Index{3});
}

TEST_F(FetchForPeer, AnAnswerAfterTheTermIsDropped) {
  Lead();
  Step(3, AppendRejected{.rejected = {6}, .hint_index = {2}, .hint_term = {1}});
  const Output output = Drain();
  core_.Step({.from = {2}, .to = {1}, .term = {9}, .body = Heartbeat{}});
  core_.Fetched(output.fetch.at(0), std::vector<Entry>{{.index = {2}, .term = {1}}});
  EXPECT_TRUE(Bodies<AppendRequest>(Drain().send).empty());
}

TEST_F(FetchForPeer, AReleasedAnswerLeadsToASnapshotAndItsEndToAProbe) {
  Lead();
  Step(3, AppendRejected{.rejected = {6}, .hint_index = {2}, .hint_term = {1}});
  const Output output = Drain();
  core_.Fetched(output.fetch.at(0), Released{});
  const Output snapshot = Drain();
  ASSERT_EQ(snapshot.snapshots.size(), 1u);
  EXPECT_EQ(snapshot.snapshots[0].to, NodeId{3});
  Step(3, HeartbeatReply{});
  EXPECT_TRUE(Bodies<AppendRequest>(Drain().send).empty()) << "nothing until the snapshot is reported";
  core_.SnapshotReported({3}, {2}, true, {6});
  EXPECT_TRUE(Bodies<AppendRequest>(Drain().send).empty()) << "a report of another term";
  core_.SnapshotReported({3}, core_.term(), true, {6});
  EXPECT_EQ(Bodies<AppendRequest>(Drain().send).at(0).prev_index, Index{6});
}

TEST(Start, AFollowerNeedsTheTermsAboveTheAppliedIndex) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const CoreStart start{.id = {1},
                        .configuration = MakeConfiguration(3),
                        .hard_state = {.term = {2}},
                        .last_index = {6},
                        .last_term = {2},
                        .applied = {3}};
  EXPECT_DEATH(Core{start}, "raft invariant broken");
}

}  // namespace
}  // namespace regent::raft
