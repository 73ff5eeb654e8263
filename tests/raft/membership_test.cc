// Configurations as entries, and the rules of changes, one node at a time.
#include <gtest/gtest.h>

#include <string>

#include "raft/configuration.h"
#include "raft/membership.h"
#include "tests/raft/bench.h"

namespace regent::raft {
namespace {

using Reason = Refused::Reason;

Reason ReasonOf(const ProposeResult& result) {
  EXPECT_TRUE(std::holds_alternative<Refused>(result));
  return std::holds_alternative<Refused>(result) ? std::get<Refused>(result).reason : Reason::kFull;
}

TEST(ConfigurationEntry, ComesBackAsItWentIn) {
  const ConfigurationEntry entry{
      .configuration = {.voters = {{1}, {UINT64_MAX}}, .outgoing_voters = {{1}, {2}, {3}}, .learners = {{2}}},
      .context = std::string("who\0joins", 9)};
  EXPECT_EQ(DecodeConfigurationEntry(Encode(entry)), entry);
}

TEST(ConfigurationEntry, TheWorkedExampleOfTheHeaderHolds) {
  const std::string bytes = Encode({.configuration = {.voters = {{1}, {2}}, .learners = {{3}}}, .context = "x"});
  EXPECT_EQ(bytes, std::string("\x01\x02\0\0\0\x01\0", 7) + std::string("\x01\0\0\0\0\0\0\0", 8) +
                       std::string("\x02\0\0\0\0\0\0\0", 8) + std::string("\x03\0\0\0\0\0\0\0", 8) + "x");
}

TEST(ConfigurationEntry, NothingThatIsCutShortOrCannotBeIsBelieved) {
  const std::string whole =
      Encode({.configuration = {.voters = {{1}, {2}}, .outgoing_voters = {{3}}, .learners = {{4}}}});
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(DecodeConfigurationEntry(whole.substr(0, size)), std::nullopt) << size;
  }
  std::string other_version = whole;
  other_version[0] = 2;
  EXPECT_EQ(DecodeConfigurationEntry(other_version), std::nullopt);
  for (const Configuration& impossible :
       {Configuration{}, Configuration{.learners = {{1}}}, Configuration{.voters = {{1}, {1}}},
        Configuration{.voters = {{0}}}, Configuration{.voters = {{1}}, .learners = {{1}}},
        Configuration{.voters = {{1}}, .outgoing_voters = {{2}, {2}}}}) {
    EXPECT_EQ(DecodeConfigurationEntry(Encode({.configuration = impossible})), std::nullopt);
  }
}

TEST(Configuration, OnlyAChangeOfVotersIsJoint) {
  const Configuration now{.voters = {{1}, {2}, {3}}};
  EXPECT_FALSE(StepTowards(now, {.voters = {{3}, {2}, {1}}, .learners = {{4}}}).joint());
  const Configuration swap = StepTowards(now, {.voters = {{1}, {2}, {4}}, .learners = {{3}}});
  EXPECT_EQ(swap, (Configuration{.voters = {{1}, {2}, {4}}, .outgoing_voters = {{1}, {2}, {3}}, .learners = {{3}}}));
  EXPECT_TRUE(IsMember(swap, {3}));
  EXPECT_EQ(LeaveJoint(swap), (Configuration{.voters = {{1}, {2}, {4}}, .learners = {{3}}}));
}

TEST(Membership, ATruncationBringsTheEarlierConfigurationBack) {
  Membership membership({{}, MakeConfiguration(3)}, {{{5}, MakeConfiguration(4)}, {{7}, MakeConfiguration(5)}});
  EXPECT_EQ(membership.current(), MakeConfiguration(5));
  membership.TruncateFrom({6});
  EXPECT_EQ(membership.current(), MakeConfiguration(4));
  membership.Committed({5});
  EXPECT_EQ(membership.history().size(), 1u);
  EXPECT_EQ(membership.index(), Index{5});
}

TEST(Membership, WhoVotesInAConfigurationThatMayCountMayCampaign) {
  Membership membership({{}, MakeConfiguration(3)}, {{{5}, Configuration{.voters = {{4}}}}});
  EXPECT_TRUE(membership.MayCampaign({1}));
  membership.Committed({5});
  EXPECT_FALSE(membership.MayCampaign({1}));
  EXPECT_TRUE(membership.MayCampaign({4}));
}

TEST(Change, IsRefusedByAFollower) {
  Bench bench({});
  EXPECT_EQ(ReasonOf(bench.core().ProposeConfiguration({.target = MakeConfiguration(1)})), Reason::kNotLeader);
  EXPECT_EQ(ReasonOf(bench.core().TransferLeadership({2})), Reason::kNotLeader);
}

TEST(Change, WaitsForTheFirstEntryOfTheTermAndForTheChangeBefore) {
  Bench bench({.configuration = MakeConfiguration(3, 1)});
  bench.BecomeLeader({2});
  bench.Drain();
  const ConfigurationChange change{.target = MakeConfiguration(4), .expected = {}, .context = {}};
  EXPECT_EQ(ReasonOf(bench.core().ProposeConfiguration(change)), Reason::kPending);
  bench.Step(2, 1, AppendAccepted{.match = {1}});
  ASSERT_TRUE(std::holds_alternative<Proposed>(bench.core().ProposeConfiguration(change)));
  EXPECT_EQ(ReasonOf(bench.core().ProposeConfiguration({.target = MakeConfiguration(3), .expected = {2}})),
            Reason::kPending);
  bench.Drain();
  bench.Step(2, 1, AppendAccepted{.match = {2}});
  EXPECT_EQ(bench.core().commit(), Index{1}) << "1 and 2 are no majority of the four";
  bench.Step(3, 1, AppendAccepted{.match = {2}});
  EXPECT_EQ(bench.core().commit(), Index{2});
  const Output leaves = bench.Drain();
  ASSERT_EQ(leaves.append.size(), 1u);
  EXPECT_EQ(leaves.append[0].type, EntryType::kConfiguration);
  EXPECT_EQ(bench.core().configuration(), MakeConfiguration(4));
  EXPECT_EQ(bench.core().configuration_index(), Index{3});
}

TEST(Peers, AreWhatALeaderKnowsOfTheOthers) {
  Bench bench({.configuration = MakeConfiguration(2, 1)});
  EXPECT_TRUE(bench.core().peers().empty()) << "a follower knows nothing";
  bench.BecomeLeader({2});
  bench.Drain();
  bench.Step(2, 1, AppendAccepted{.match = {1}});
  const std::vector<PeerStatus> peers = bench.core().peers();
  ASSERT_EQ(peers.size(), 2u);
  EXPECT_EQ(peers[0].id, NodeId{2});
  EXPECT_EQ(peers[0].match, Index{1});
  EXPECT_TRUE(peers[0].recently_heard);
  EXPECT_EQ(peers[1].id, NodeId{3});
  EXPECT_EQ(peers[1].match, Index{0});
  EXPECT_FALSE(peers[1].needs_snapshot);
}

TEST(Transfer, IsGivenUpWhenTheNodeIsNoVoterAnyMore) {
  Bench bench({.configuration = MakeConfiguration(3)});
  bench.BecomeLeader({2, 3});
  bench.Drain();
  bench.Step(2, 1, AppendAccepted{.match = {1}});
  bench.Drain();
  ASSERT_TRUE(std::holds_alternative<Proposed>(bench.core().TransferLeadership({3})));
  EXPECT_EQ(bench.core().transferee(), NodeId{3});
  for (int i = 0; i < 10; ++i) bench.core().Tick();
  EXPECT_EQ(bench.core().transferee(), kNobody);
}

TEST(Snapshot, OfNonsenseIsNotInstalled) {
  Bench bench({.terms = {1, 1}, .hard_state = {.term = {2}}});
  const PlacedConfiguration sane{{1}, MakeConfiguration(3)};
  bench.Step(2, 2, InstallSnapshot{.index = {9}, .term = {3}, .configuration = sane});
  bench.Step(2, 2, InstallSnapshot{.index = {9}, .term = {2}, .configuration = {{10}, MakeConfiguration(3)}});
  bench.Step(2, 2, InstallSnapshot{.index = {9}, .term = {2}, .configuration = {}});
  while (bench.core().HasOutput()) {
    const Output output = bench.core().TakeOutput();
    EXPECT_FALSE(output.install.has_value());
    if (output.step) bench.core().Persisted(*output.step);
  }
}

TEST(Snapshot, NobodyCampaignsWhileOneIsInstalled) {
  Bench bench({.terms = {1, 1}});
  bench.Step(2, 2, InstallSnapshot{.index = {9}, .term = {2}, .configuration = {{4}, MakeConfiguration(3)}});
  std::optional<StepId> install;
  while (!install) {
    const Output output = bench.core().TakeOutput();
    if (output.install) {
      install = output.step;
    } else if (output.step) {
      bench.core().Persisted(*output.step);
    }
  }
  for (int i = 0; i < 50; ++i) bench.core().Tick();
  bench.Step(2, 2, TimeoutNow{});
  EXPECT_EQ(bench.core().role(), Role::kFollower);
  bench.core().Installed(*install);
  EXPECT_EQ(bench.core().last_index(), Index{9});
  EXPECT_EQ(bench.core().applied(), Index{9});
  EXPECT_EQ(bench.core().configuration_index(), Index{4});
  for (int i = 0; i < 50 && bench.core().role() == Role::kFollower; ++i) bench.core().Tick();
  EXPECT_EQ(bench.core().role(), Role::kPreCandidate);
}

}  // namespace
}  // namespace regent::raft
