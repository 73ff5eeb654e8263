// Elections: figure 2 of the paper (RequestVote, Followers, Candidates), pre-vote, stickiness, check-quorum.
#include <gtest/gtest.h>

#include <set>

#include "tests/raft/bench.h"

namespace regent::raft {
namespace {

CoreOptions WithoutPreVote() {
  CoreOptions options;
  options.pre_vote = false;
  return options;
}

uint32_t TicksUntilCampaign(Core& core) {
  uint32_t ticks = 0;
  while (core.role() == Role::kFollower && ticks < 1000) core.Tick(), ++ticks;
  return ticks;
}

TEST(Election, AFollowerCampaignsAfterOneToTwoElectionTimeoutsOfSilence) {
  std::set<uint32_t> seen;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Bench bench({.seed = seed});
    const uint32_t ticks = TicksUntilCampaign(bench.core());
    EXPECT_GE(ticks, 10u);
    EXPECT_LT(ticks, 20u);
    seen.insert(ticks);
  }
  EXPECT_EQ(seen.size(), 10u) << "the whole range is used";
}

TEST(Election, ACandidateRaisesItsTermVotesForItselfAndAsksTheOtherVoters) {
  Bench bench({.terms = {1, 2}, .options = WithoutPreVote()});
  TicksUntilCampaign(bench.core());
  const Output output = bench.Drain();
  EXPECT_EQ(output.hard_state, (HardState{.term = {3}, .vote = {1}}));
  ASSERT_EQ(output.send.size(), 2u);
  for (const VoteRequest& request : Bodies<VoteRequest>(output.send)) {
    EXPECT_EQ(request, (VoteRequest{.last_index = {2}, .last_term = {2}}));
  }
}

TEST(Election, AVoteRequestLeavesOnlyWhenTheOwnVoteIsDurable) {
  Bench bench({.options = WithoutPreVote()});
  TicksUntilCampaign(bench.core());
  const Output output = bench.core().TakeOutput();
  EXPECT_TRUE(output.send.empty());
  EXPECT_EQ(output.send_after_persist.size(), 2u);
}

TEST(Election, AMajorityOfVotesMakesALeader) {
  Bench bench({.configuration = MakeConfiguration(5), .options = WithoutPreVote()});
  TicksUntilCampaign(bench.core());
  bench.Drain();
  bench.Step(2, 1, VoteReply{.granted = true});
  bench.Step(2, 1, VoteReply{.granted = true});  // a repeated answer counts once
  EXPECT_EQ(bench.core().role(), Role::kCandidate);
  bench.Step(3, 1, VoteReply{.granted = true});
  EXPECT_EQ(bench.core().role(), Role::kLeader);
}

TEST(Election, VotesOfAnEarlierTermAndOfNonVotersDoNotCount) {
  Bench bench({.configuration = MakeConfiguration(3, 1), .options = WithoutPreVote()});
  TicksUntilCampaign(bench.core());
  bench.Drain();
  bench.Step(2, 0, VoteReply{.granted = true});
  bench.Step(4, 1, VoteReply{.granted = true});
  bench.Step(9, 1, VoteReply{.granted = true});
  EXPECT_EQ(bench.core().role(), Role::kCandidate);
}

TEST(Election, ACandidateRefusedByAMajorityFollowsAgain) {
  Bench bench({.options = WithoutPreVote()});
  TicksUntilCampaign(bench.core());
  bench.Drain();
  bench.Step(2, 1, VoteReply{.granted = false});
  EXPECT_EQ(bench.core().role(), Role::kCandidate);
  bench.Step(3, 1, VoteReply{.granted = false});
  EXPECT_EQ(bench.core().role(), Role::kFollower);
}

TEST(Election, OneVoteATermFirstComeFirstServed) {
  Bench bench({});
  bench.Step(2, 1, VoteRequest{});
  EXPECT_TRUE(Bodies<VoteReply>(bench.Drain().send).at(0).granted);
  bench.Step(3, 1, VoteRequest{});
  EXPECT_FALSE(Bodies<VoteReply>(bench.Drain().send).at(0).granted);
  bench.Step(2, 1, VoteRequest{});  // the same candidate again: the reply may have been lost
  EXPECT_TRUE(Bodies<VoteReply>(bench.Drain().send).at(0).granted);
}

TEST(Election, AVoteSurvivesACrash) {
  Bench bench({.hard_state = {.term = {4}, .vote = {2}}});
  bench.Step(3, 4, VoteRequest{});
  EXPECT_FALSE(Bodies<VoteReply>(bench.Drain().send).at(0).granted);
}

TEST(Election, AVoteIsGrantedOnlyToALogAtLeastAsUpToDate) {
  struct Case {
    uint64_t last_term, last_index;
    bool granted;
  };
  // The voter's log ends with index 3 of term 2.
  for (const Case& c : {Case{1, 9, false}, Case{2, 2, false}, Case{2, 3, true}, Case{2, 4, true}, Case{3, 1, true}}) {
    Bench bench({.terms = {1, 2, 2}});
    bench.Step(2, 5, VoteRequest{.last_index = {c.last_index}, .last_term = {c.last_term}});
    EXPECT_EQ(Bodies<VoteReply>(bench.Drain().send).at(0).granted, c.granted) << c.last_term << "/" << c.last_index;
    Bench pre({.terms = {1, 2, 2}});
    pre.Step(2, 4, PreVoteRequest{.campaign_term = {5}, .last_index = {c.last_index}, .last_term = {c.last_term}});
    EXPECT_EQ(Bodies<PreVoteReply>(pre.Drain().send).at(0).granted, c.granted) << c.last_term << "/" << c.last_index;
  }
}

TEST(Election, AHigherTermMakesAnybodyAFollower) {
  for (const Role role : {Role::kFollower, Role::kPreCandidate, Role::kCandidate, Role::kLeader}) {
    Bench bench({});
    if (role != Role::kFollower) TicksUntilCampaign(bench.core());
    bench.Drain();
    if (role >= Role::kCandidate) bench.Step(2, 0, PreVoteReply{.campaign_term = {1}, .granted = true});
    bench.Drain();
    if (role == Role::kLeader) bench.Step(2, 1, VoteReply{.granted = true});
    ASSERT_EQ(bench.core().role(), role);
    bench.Step(3, 7, AppendRejected{});
    EXPECT_EQ(bench.core().role(), Role::kFollower);
    EXPECT_EQ(bench.core().term(), Term{7});
    EXPECT_EQ(bench.core().leader(), kNobody);
  }
}

TEST(Election, ALowerTermIsAnsweredWithTheHigherOne) {
  Bench bench({.hard_state = {.term = {5}}});
  bench.Step(2, 3, AppendRequest{});
  bench.Step(2, 3, Heartbeat{});
  bench.Step(2, 3, VoteRequest{.last_index = {9}, .last_term = {3}});
  bench.Step(2, 3, PreVoteRequest{.campaign_term = {4}, .last_index = {9}, .last_term = {3}});
  const Output output = bench.Drain();
  ASSERT_EQ(output.send.size(), 4u);
  for (const Message& message : output.send) EXPECT_EQ(message.term, Term{5});
  EXPECT_FALSE(Bodies<VoteReply>(output.send).at(0).granted);
  EXPECT_FALSE(Bodies<PreVoteReply>(output.send).at(0).granted);
  EXPECT_EQ(bench.core().leader(), kNobody) << "a leader of an old term is none";
}

TEST(Election, ACandidateThatHearsTheLeaderOfItsTermFollowsIt) {
  Bench bench({.options = WithoutPreVote()});
  TicksUntilCampaign(bench.core());
  bench.Drain();
  bench.Step(3, 1, Heartbeat{});
  EXPECT_EQ(bench.core().role(), Role::kFollower);
  EXPECT_EQ(bench.core().leader(), NodeId{3});
}

TEST(Election, GrantingAVoteAndHearingTheLeaderStartTheClockAnewAStrangeTermDoesNot) {
  Bench heard({});
  const uint32_t patience = TicksUntilCampaign(heard.core());
  const auto ticks_after = [&](auto&& event) {
    Bench bench({});
    for (uint32_t i = 0; i + 1 < patience; ++i) bench.core().Tick();
    event(bench);
    return TicksUntilCampaign(bench.core());
  };
  EXPECT_GE(ticks_after([](Bench& b) { b.Step(2, 1, VoteRequest{}); }), 10u);
  EXPECT_GE(ticks_after([](Bench& b) { b.Step(2, 1, Heartbeat{}); }), 10u);
  EXPECT_EQ(ticks_after([](Bench& b) { b.Step(2, 1, VoteReply{}); }), 1u);
}

TEST(Election, APreCandidateChangesNobodysTermAndBindsNobody) {
  Bench bench({});
  bench.Step(2, 0, PreVoteRequest{.campaign_term = {1}});
  bench.Step(3, 6, PreVoteRequest{.campaign_term = {7}});
  const Output output = bench.Drain();
  EXPECT_EQ(Bodies<PreVoteReply>(output.send).size(), 2u);
  for (const PreVoteReply& reply : Bodies<PreVoteReply>(output.send)) EXPECT_TRUE(reply.granted);
  EXPECT_EQ(bench.core().term(), Term{0});
  EXPECT_FALSE(output.hard_state);
}

TEST(Election, APreVoteGrantedForAnotherTermDoesNotCount) {
  Bench bench({.hard_state = {.term = {3}}});
  TicksUntilCampaign(bench.core());
  bench.Step(2, 2, PreVoteReply{.campaign_term = {3}, .granted = true});
  EXPECT_EQ(bench.core().role(), Role::kPreCandidate);
  bench.Step(2, 2, PreVoteReply{.campaign_term = {4}, .granted = true});
  EXPECT_EQ(bench.core().role(), Role::kCandidate) << "the grant of a node with a lower term counts";
}

TEST(Election, ARefusedPreCandidateLearnsAHigherTerm) {
  Bench bench({});
  TicksUntilCampaign(bench.core());
  bench.Step(2, 8, PreVoteReply{.campaign_term = {1}, .granted = false});
  EXPECT_EQ(bench.core().role(), Role::kFollower);
  EXPECT_EQ(bench.core().term(), Term{8});
}

TEST(Election, WhoHearsALeaderIgnoresCandidatesForAnElectionTimeout) {
  Bench bench({});
  bench.Step(2, 1, Heartbeat{});
  bench.Drain();
  for (int i = 0; i < 9; ++i) bench.core().Tick();
  bench.Step(3, 2, VoteRequest{});
  bench.Step(3, 1, PreVoteRequest{.campaign_term = {2}});
  EXPECT_TRUE(bench.Drain().send.empty());
  EXPECT_EQ(bench.core().term(), Term{1});
  bench.Step(3, 2, VoteRequest{.leadership_transfer = true});
  EXPECT_EQ(bench.core().term(), Term{2}) << "the leader itself asked for this campaign";
}

TEST(Election, WithoutCheckQuorumNobodyIsSticky) {
  CoreOptions options;
  options.check_quorum = false;
  Bench bench({.options = options});
  bench.Step(2, 1, Heartbeat{});
  bench.Step(3, 2, VoteRequest{});
  EXPECT_EQ(bench.core().term(), Term{2});
}

TEST(Election, ALeaderIgnoresCandidatesWhileItChecksItsQuorum) {
  Bench bench({});
  bench.BecomeLeader({2});
  bench.Drain();
  bench.Step(3, 2, VoteRequest{.last_index = {9}, .last_term = {1}});
  EXPECT_EQ(bench.core().role(), Role::kLeader);
}

TEST(Election, ALeaderThatHearsNoQuorumForAnElectionTimeoutStepsDown) {
  Bench bench({});
  bench.BecomeLeader({2});
  for (int i = 0; i < 60; ++i) {
    bench.core().Tick();
    bench.Step(2, 1, HeartbeatReply{});
  }
  EXPECT_EQ(bench.core().role(), Role::kLeader) << "one of two others is enough";
  for (int i = 0; i < 20; ++i) bench.core().Tick();
  EXPECT_EQ(bench.core().role(), Role::kFollower);
  EXPECT_EQ(bench.core().term(), Term{1});
}

TEST(Election, TheOnlyVoterCampaignsAtOnceAndLeadsWhenItsVoteIsDurable) {
  Bench bench({.configuration = MakeConfiguration(1), .terms = {1, 1}, .hard_state = {.term = {4}}});
  ASSERT_TRUE(bench.core().HasOutput());
  const Output output = bench.core().TakeOutput();
  EXPECT_EQ(output.hard_state, (HardState{.term = {5}, .vote = {1}}));
  EXPECT_EQ(bench.core().role(), Role::kCandidate);
  bench.core().Persisted(*output.step);
  EXPECT_EQ(bench.core().role(), Role::kLeader);
}

TEST(Election, TheOnlyVoterOfOneHalfIsNotAlone) {
  Configuration joint = MakeConfiguration(1);
  joint.outgoing_voters = {{1}, {2}};
  Bench bench({.configuration = joint});
  EXPECT_FALSE(bench.core().HasOutput());
}

TEST(Election, ALearnerNeverCampaignsAndStillAnswersCandidates) {
  Bench bench({.id = 4, .configuration = MakeConfiguration(3, 1)});
  EXPECT_EQ(TicksUntilCampaign(bench.core()), 1000u);
  bench.Step(2, 1, VoteRequest{});  // its configuration may be an old one
  EXPECT_TRUE(Bodies<VoteReply>(bench.Drain().send).at(0).granted);
}

TEST(Election, ALearnerThatHearsNobodyForgetsItsLeader) {
  Bench bench({.id = 4, .configuration = MakeConfiguration(3, 1)});
  bench.Step(2, 1, Heartbeat{});
  bench.core().ReadIndex({1});
  for (int i = 0; i < 20; ++i) bench.core().Tick();
  EXPECT_EQ(bench.core().leader(), kNobody);
  EXPECT_EQ(bench.Drain().reads_failed.size(), 1u);
}

TEST(Election, ALeaderThatIsGoneEndsStickinessOnlyInItsTerm) {
  Bench bench({});
  bench.Step(2, 3, Heartbeat{});
  bench.core().PeerGone({2}, {2});  // news of an older term
  bench.core().PeerGone({3}, {3});  // not the leader
  EXPECT_EQ(bench.core().leader(), NodeId{2});
  bench.core().PeerGone({2}, {3});
  EXPECT_EQ(bench.core().leader(), kNobody);
  EXPECT_LE(TicksUntilCampaign(bench.core()), 2u);
}

TEST(Election, AfterAFalseAlarmTheUsualPatienceIsBack) {
  Bench bench({});
  bench.Step(2, 1, Heartbeat{});
  bench.core().PeerGone({2}, {1});
  bench.Step(2, 1, Heartbeat{});
  EXPECT_GE(TicksUntilCampaign(bench.core()), 10u);
}

}  // namespace
}  // namespace regent::raft
