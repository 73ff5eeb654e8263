// Changes of members on three that run: the rules are etcd's, and the log carries who joins to those that must reach
// it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/contract/errors.h"
#include "tests/server/virtual_cluster.h"

namespace regent::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

class MembershipTest : public ::testing::Test {
 protected:
  MembershipTest() {
    leader_ = cluster_.AwaitLeader();
    cluster_.RunFor(seconds(6));  // healthy is who has been connected for so long
  }

  absl::StatusOr<std::vector<api::Member>> Change(uint64_t through, api::WriteRequest request) {
    const absl::StatusOr<api::WriteResult> result = cluster_.Propose(through, std::move(request));
    if (!result.ok()) return result.status();
    return std::get<api::MembersResult>(*result).members;
  }
  std::vector<uint64_t> Voters(uint64_t id) {
    std::vector<uint64_t> voters;
    for (const api::Member& member : cluster_.store(id).Members()) {
      if (!member.is_learner) voters.push_back(member.id);
    }
    return voters;
  }

  VirtualCluster cluster_{3};
  uint64_t leader_ = 0;
};

TEST_F(MembershipTest, ALearnerIsAddedSeenAndRemovedAndItsIdNeverComesBack) {
  const uint64_t follower = cluster_.AnyFollower();
  const auto added = Change(follower, api::MemberAddRequest{.peer_urls = {"http://10.0.0.9:2380"}, .is_learner = true});
  ASSERT_TRUE(added.ok()) << added.status();
  ASSERT_EQ(added->size(), 4u);
  uint64_t id = 0;
  for (const api::Member& member : *added) {
    if (member.is_learner) id = member.id;
  }
  ASSERT_NE(id, 0u);
  EXPECT_EQ(Change(leader_, api::MemberPromoteRequest{.id = id}).status(), api::ErrLearnerNotReady());
  EXPECT_EQ(cluster_.metrics(leader_)
                .server_learner_promote_failures.With({std::string(api::ErrLearnerNotReady().message())})
                .value(),
            1u);
  EXPECT_EQ(cluster_.metrics(leader_).server_learner_promote_successes.value(), 0u);
  ASSERT_TRUE(Change(follower, api::MemberRemoveRequest{.id = id}).ok());
  EXPECT_EQ(Change(leader_, api::MemberRemoveRequest{.id = id}).status(), api::ErrMemberNotFound());
  EXPECT_EQ(Change(leader_, api::MemberAddRequest{.id = id, .peer_urls = {"http://10.0.0.8:2380"}}).status(),
            api::ErrMemberNotFound());
}

TEST_F(MembershipTest, TheRulesHaveEtcdsErrors) {
  const auto add = [](const std::string& url, bool learner) {
    return api::MemberAddRequest{.peer_urls = {url}, .is_learner = learner};
  };
  EXPECT_EQ(Change(leader_, add("http://10.0.0.1:2380", true)).status(), api::ErrPeerUrlExists());
  EXPECT_EQ(Change(leader_, api::MemberPromoteRequest{.id = leader_}).status(), api::ErrMemberNotLearner());
  EXPECT_EQ(Change(leader_, api::MemberPromoteRequest{.id = 77}).status(), api::ErrMemberNotFound());
  EXPECT_EQ(Change(leader_, api::MemberRemoveRequest{.id = 77}).status(), api::ErrMemberNotFound());
  EXPECT_EQ(Change(leader_, api::MemberUpdateRequest{.id = 77}).status(), api::ErrMemberNotFound());
  ASSERT_TRUE(Change(leader_, add("http://10.0.0.9:2380", true)).ok());
  EXPECT_EQ(Change(leader_, add("http://10.0.0.8:2380", true)).status(), api::ErrTooManyLearners());
  // One that never started counts as down: a second one could not be borne.
  ASSERT_TRUE(Change(leader_, add("http://10.0.0.7:2380", false)).ok());
  EXPECT_EQ(Change(leader_, add("http://10.0.0.6:2380", false)).status(), api::ErrUnhealthy());
}

TEST_F(MembershipTest, AMemberThatIsDownIsRemovedAndTheOthersGoOn) {
  const uint64_t down = cluster_.AnyFollower();
  cluster_.Crash(down);
  cluster_.RunFor(seconds(1));
  ASSERT_TRUE(Change(leader_, api::MemberRemoveRequest{.id = down}).ok());
  ASSERT_TRUE(cluster_.Put(leader_, "key", "value").ok());
  EXPECT_EQ(Voters(leader_).size(), 2u);
}

TEST_F(MembershipTest, TheLeaderIsRemovedThroughItselfAndAnotherTakesOver) {
  ASSERT_TRUE(Change(leader_, api::MemberRemoveRequest{.id = leader_}).ok());
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.leader() != 0 && cluster_.leader() != leader_; }));
  const uint64_t next = cluster_.leader();
  EXPECT_TRUE(cluster_.Put(next, "key", "value").ok());
  EXPECT_EQ(Voters(next).size(), 2u);
}

// Two members of which the leader is removed and switched off as soon as that is answered: the other one must have what
// it needs to go on alone.
TEST(MembershipOfTwoTest, WhoIsRemovedMayBeSwitchedOffWhenThatIsAnswered) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    VirtualCluster cluster(2, nullptr, seed);
    const uint64_t leader = cluster.AwaitLeader();
    const uint64_t other = cluster.AnyFollower();
    cluster.RunFor(seconds(6));
    cluster.network().SetWeather({.delay_min = milliseconds(20), .delay_max = milliseconds(40)});
    ASSERT_TRUE(cluster.Propose(leader, api::MemberRemoveRequest{.id = leader}).ok());
    cluster.network().Isolate(leader);  // what is on its way is lost
    cluster.Crash(leader);
    EXPECT_TRUE(cluster.RunUntil([&] { return cluster.leader() == other; })) << "seed " << seed;
    EXPECT_TRUE(cluster.Put(other, "key", "value").ok()) << "seed " << seed;
  }
}

TEST_F(MembershipTest, ChangesThatComeTogetherAreCarriedOutOneAfterTheOther) {
  std::vector<absl::Status> ended;
  for (int i = 0; i < 3; ++i) {
    cluster_.node(leader_).Propose(
        api::MemberUpdateRequest{.id = 1, .peer_urls = {"http://10.0.1." + std::to_string(i) + ":2380"}},
        MonotonicTime::max(), [&ended](absl::StatusOr<api::WriteResult> result) { ended.push_back(result.status()); });
  }
  cluster_.node(leader_).Propose(
      api::MemberAddRequest{.peer_urls = {"http://10.0.0.9:2380"}, .is_learner = true}, MonotonicTime::max(),
      [&ended](absl::StatusOr<api::WriteResult> result) { ended.push_back(result.status()); });
  cluster_.node(leader_).Propose(
      api::MemberAddRequest{.peer_urls = {"http://10.0.0.8:2380"}}, MonotonicTime::max(),
      [&ended](absl::StatusOr<api::WriteResult> result) { ended.push_back(result.status()); });
  ASSERT_TRUE(cluster_.RunUntil([&] { return ended.size() == 5; }));
  for (const absl::Status& status : ended) EXPECT_TRUE(status.ok()) << status;
}

// By the rules of a change that counts from its entry on, the new one would have to acknowledge its own addition.
TEST(GrowingTest, ASingleMemberAnswersServesOnAndRestartsWhileTheOneThatIsAddedDoesNotRun) {
  VirtualCluster cluster(1);
  cluster.AwaitLeader();
  const auto added = cluster.Propose(1, api::MemberAddRequest{.peer_urls = {"http://10.0.0.9:2380"}});
  ASSERT_TRUE(added.ok()) << added.status();
  const std::vector<api::Member> members = std::get<api::MembersResult>(*added).members;
  ASSERT_EQ(members.size(), 2u);
  for (const api::Member& member : members) EXPECT_FALSE(member.is_learner) << "clients see voters";
  cluster.RunFor(seconds(10));
  EXPECT_TRUE(cluster.Put(1, "key", "value").ok());
  cluster.Crash(1);
  cluster.Restart(1);
  cluster.AwaitLeader();
  EXPECT_TRUE(cluster.Put(1, "key", "value").ok());
  const uint64_t id = members[0].id == 1 ? members[1].id : members[0].id;
  EXPECT_TRUE(cluster.Propose(1, api::MemberRemoveRequest{.id = id}).ok());
  EXPECT_EQ(cluster.store(1).Members().size(), 1u);
}

TEST(IncarnationTest, IsPublishedAndOneThatLostItsFolderHearsThatItMustEnd) {
  uint64_t life = 100;
  std::vector<uint64_t> forgot;
  VirtualCluster cluster(3, [&](NodeOptions& options) {
    options.incarnation = life + options.member_id;
    options.on_forgot = [&forgot, id = options.member_id] { forgot.push_back(id); };
  });
  cluster.AwaitLeader();
  const auto all_published = [&] {
    for (uint64_t id = 1; id <= 3; ++id) {
      for (const api::Member& member : cluster.store(id).Members()) {
        if (member.incarnation != 100 + member.id) return false;
      }
    }
    return true;
  };
  ASSERT_TRUE(cluster.RunUntil(all_published));
  // The same folder: nothing is to be said.
  cluster.Crash(2);
  cluster.Restart(2);
  cluster.AwaitLeader();
  EXPECT_THAT(forgot, ElementsAre());
  // Another one, before anybody refuses it: it finds its own row in the log.
  cluster.Crash(3);
  life = 200;
  cluster.Restart(3);
  ASSERT_TRUE(cluster.RunUntil([&] { return !forgot.empty(); }));
  EXPECT_EQ(forgot[0], 3u);
  EXPECT_TRUE(all_published()) << "what was published first stays";
}

}  // namespace
}  // namespace regent::server
