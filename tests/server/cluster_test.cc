// Three members together: each serves every client, nothing acknowledged is lost with one of them, and who cannot know
// says so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/contract/errors.h"
#include "tests/server/virtual_cluster.h"

namespace regent::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AnyOf;
using ::testing::Eq;

std::string Numbered(const std::string& word, int number) { return word + std::to_string(number); }

// Counts what a watch brings.
class CountingSink final : public api::WatchSink {
 public:
  void Send(api::WatchMessage message) override {
    events_ += message.events.size();
    canceled_ = canceled_ || message.canceled;
  }
  size_t unsent_bytes() const override { return 0; }
  void Finish(absl::Status) override {}
  size_t events() const { return events_; }
  bool canceled() const { return canceled_; }

 private:
  size_t events_ = 0;
  bool canceled_ = false;
};

class ClusterTest : public ::testing::Test {
 protected:
  ClusterTest() { leader_ = cluster_.AwaitLeader(); }

  void ExpectEqualDigests() {
    ASSERT_TRUE(cluster_.RunUntil([this] {
      for (uint64_t id = 2; id <= cluster_.size(); ++id) {
        if (cluster_.store(id).applied() != cluster_.store(1).applied()) return false;
      }
      return true;
    }));
    for (uint64_t id = 2; id <= cluster_.size(); ++id) {
      EXPECT_EQ(cluster_.store(id).digest(), cluster_.store(1).digest()) << id;
    }
  }

  VirtualCluster cluster_{3};
  uint64_t leader_ = 0;
};

TEST_F(ClusterTest, WritesThroughEachMemberAreSeenAtOnceThroughEveryOther) {
  int64_t written = 0;
  for (uint64_t through = 1; through <= 3; ++through) {
    for (uint64_t reader = 1; reader <= 3; ++reader) {
      ASSERT_TRUE(cluster_.Put(through, Numbered("key", static_cast<int>(++written)), "value").ok());
      EXPECT_EQ(*cluster_.Count(reader), written);
    }
  }
  ExpectEqualDigests();
}

TEST_F(ClusterTest, AnswersOfForwardedWritesAreThoseOfTheStore) {
  const uint64_t follower = cluster_.AnyFollower();
  ASSERT_TRUE(cluster_.Put(follower, "key", "old").ok());
  const auto put = cluster_.Propose(follower, api::PutRequest{.key = "key", .value = "new", .prev_kv = true});
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_TRUE(std::get<api::PutResult>(*put).prev_kv.has_value());
  EXPECT_EQ(cluster_.Propose(follower, api::LeaseRevokeRequest{.id = {77}}).status(), api::ErrLeaseNotFound());
}

TEST_F(ClusterTest, EveryMemberKnowsTheNamesAndTheUrlsOfAll) {
  cluster_.RunFor(seconds(1));
  for (uint64_t id = 1; id <= 3; ++id) {
    const auto members = cluster_.Await<std::vector<api::Member>>([&](api::Done<std::vector<api::Member>> done) {
      cluster_.node(id).MemberList(true, MonotonicTime::max(), std::move(done));
    });
    ASSERT_TRUE(members.ok()) << members.status();
    ASSERT_EQ(members->size(), 3u);
    for (const api::Member& member : *members) {
      EXPECT_EQ(member.name, Numbered("m", static_cast<int>(member.id)));
      EXPECT_EQ(member.client_urls.size(), 1u);
      EXPECT_EQ(member.peer_urls.size(), 1u);
      EXPECT_FALSE(member.is_learner);
    }
  }
}

TEST_F(ClusterTest, WhenTheLeaderDiesTheOthersGoOnWithinAFewHeartbeatsAndNothingIsLost) {
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(cluster_.Put(leader_, Numbered("key", i), "value").ok());
  const MonotonicTime died = cluster_.now();
  cluster_.Crash(leader_);
  const uint64_t through = cluster_.AnyFollower();
  // A write that comes at once may meet the old leader's end; the next one finds the new leader.
  const absl::Status first = cluster_.Put(through, "at once", "value");
  EXPECT_THAT(first, AnyOf(Eq(absl::OkStatus()), Eq(api::ErrLeaderChanged())));
  ASSERT_TRUE(cluster_.Put(through, "next", "value").ok());
  EXPECT_LT(cluster_.now() - died, milliseconds(600));
  EXPECT_GE(*cluster_.Count(through), 101);
  cluster_.Restart(leader_);
  ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.AllReady(); }));
  EXPECT_GE(*cluster_.Count(leader_), 101);
  ExpectEqualDigests();
}

TEST_F(ClusterTest, AFollowerThatWasAwayCatchesUp) {
  const uint64_t away = cluster_.AnyFollower();
  cluster_.network().Isolate(away);
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(cluster_.Put(leader_, Numbered("key", i), "value").ok());
  cluster_.network().Heal();
  EXPECT_EQ(*cluster_.Count(away), 300);
  EXPECT_EQ(cluster_.leader(), leader_) << "who comes back must not depose the leader";
}

TEST(ClusterSnapshotTest, AFollowerThatTheLogDoesNotReachBackToGetsASnapshotAndItsWatchersMissNothing) {
  VirtualCluster cluster(3, [](NodeOptions& options) {
    options.flush_check_interval = milliseconds(100);
    options.flush_interval = milliseconds(200);
    options.log_entries_kept = 10;
    options.snapshot_piece_bytes = 16 << 10;
    options.raft.memory_tail_bytes_max = 64 << 10;
  });
  const uint64_t leader = cluster.AwaitLeader();
  const uint64_t away = cluster.AnyFollower();
  ASSERT_TRUE(cluster.Put(leader, "before", "value").ok());
  ASSERT_TRUE(cluster.Propose(leader, api::LeaseGrantRequest{.id = {5}, .ttl = 1000}).ok());
  ASSERT_EQ(*cluster.Count(away), 1);
  const auto sink = std::make_shared<CountingSink>();
  std::unique_ptr<api::WatchStream> watch = cluster.node(away).OpenWatch(sink);
  watch->Create({.key = std::string(1, '\0'), .range_end = std::string(1, '\0'), .start_revision = {2}});
  ASSERT_TRUE(cluster.RunUntil([&] { return sink->events() == 1; }));
  cluster.network().Isolate(away);
  const std::string value(20'000, 'v');
  for (int i = 0; i < 400; ++i) {
    ASSERT_TRUE(cluster.Put(leader, Numbered("key", i % 50), value).ok());
    if (i % 40 == 0) cluster.RunFor(milliseconds(500));
  }
  cluster.RunFor(seconds(2));
  cluster.network().Heal();
  EXPECT_EQ(*cluster.Count(away), 51);
  EXPECT_GE(cluster.snapshots_installed(away), 1);
  EXPECT_EQ(cluster.store(away).Leases().size(), 1u);
  ASSERT_TRUE(cluster.Put(away, "after", "value").ok());
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.store(away).applied() == cluster.store(leader).applied(); }));
  EXPECT_EQ(cluster.store(away).digest(), cluster.store(leader).digest());
  EXPECT_EQ(cluster.store(away).Members().size(), 3u);
  EXPECT_TRUE(cluster.RunUntil([&] { return sink->events() == 402; })) << sink->events();
  EXPECT_FALSE(sink->canceled());
  watch = nullptr;
  cluster.Crash(away);
  cluster.Restart(away);
  ASSERT_TRUE(cluster.RunUntil([&] { return cluster.AllReady(); }));
  EXPECT_EQ(*cluster.Count(away), 52);
}

// How many snapshots a member needs that fetches them slowly while others write a log that is kept as short as
// possible.
int SnapshotsOfASlowMember(uint64_t log_held_bytes_max) {
  VirtualCluster cluster(3, [&](NodeOptions& options) {
    options.flush_check_interval = milliseconds(100);
    options.flush_interval = milliseconds(200);
    options.log_entries_kept = 10;
    options.log_held_bytes_max = log_held_bytes_max;
    options.snapshot_piece_bytes = 16 << 10;
    options.snapshot_bytes_per_second = 1 << 20;
    options.raft.memory_tail_bytes_max = 64 << 10;
  });
  const uint64_t leader = cluster.AwaitLeader();
  const uint64_t away = cluster.AnyFollower();
  const std::string value(20'000, 'v');
  const auto write = [&](int count, Duration pause) {
    for (int i = 0; i < count; ++i) {
      EXPECT_TRUE(cluster.Put(leader, Numbered("key", i % 50), value).ok());
      cluster.RunFor(pause);
    }
  };
  cluster.network().Isolate(away);
  write(200, milliseconds(10));
  cluster.RunFor(seconds(1));
  cluster.network().Heal();
  write(800, milliseconds(20));  // a transfer takes four seconds
  EXPECT_TRUE(
      cluster.RunUntil([&] { return cluster.store(away).applied() == cluster.store(leader).applied(); }, seconds(60)));
  return cluster.snapshots_installed(away);
}

TEST(ClusterSnapshotTest, TheLogIsHeldForAMemberThatFetchesASnapshotUnlessItGrowsFarTooLarge) {
  EXPECT_EQ(SnapshotsOfASlowMember(1 << 30), 1);
  EXPECT_GT(SnapshotsOfASlowMember(0), 1);
}

TEST_F(ClusterTest, WithoutAQuorumReadsThatMayBeOldGoOnAndTheRestFailsInTime) {
  ASSERT_TRUE(cluster_.Put(leader_, "key", "value").ok());
  const uint64_t alone = cluster_.AnyFollower();
  ASSERT_TRUE(cluster_.RunUntil([&] { return *cluster_.Count(alone) == 1; }));
  for (uint64_t id = 1; id <= 3; ++id) {
    if (id != alone) cluster_.Crash(id);
  }
  const MonotonicTime begun = cluster_.now();
  const absl::Status write = cluster_.Put(alone, "lost", "value");
  EXPECT_THAT(write, AnyOf(Eq(api::ErrTimeout()), Eq(api::ErrLeaderChanged())));
  EXPECT_FALSE(cluster_.Count(alone).ok());
  EXPECT_LT(cluster_.now() - begun, seconds(16));
  EXPECT_FALSE(cluster_.node(alone).HasLeader());
  const auto old = cluster_.Await<api::RangeResult>([&](api::Done<api::RangeResult> done) {
    cluster_.node(alone).Range({.key = "key", .serializable = true}, MonotonicTime::max(), std::move(done));
  });
  ASSERT_TRUE(old.ok()) << old.status();
  EXPECT_EQ(old->count, 1);
  for (uint64_t id = 1; id <= 3; ++id) {
    if (id != alone) cluster_.Restart(id);
  }
  EXPECT_TRUE(cluster_.RunUntil([&] { return cluster_.Put(alone, "again", "value").ok(); }));
}

TEST_F(ClusterTest, LeasesLiveThroughEveryMember) {
  const uint64_t follower = cluster_.AnyFollower();
  ASSERT_TRUE(cluster_.Propose(follower, api::LeaseGrantRequest{.id = {5}, .ttl = 10}).ok());
  ASSERT_TRUE(cluster_.Propose(follower, api::PutRequest{.key = "key", .value = "value", .lease = {5}}).ok());
  for (int i = 0; i < 10; ++i) {
    cluster_.RunFor(seconds(4));
    const auto renewed = cluster_.Await<api::LeaseKeepAliveResult>([&](api::Done<api::LeaseKeepAliveResult> done) {
      cluster_.node(follower).LeaseKeepAlive({5}, std::move(done));
    });
    ASSERT_TRUE(renewed.ok()) << renewed.status();
    EXPECT_EQ(renewed->ttl, 10);
  }
  const auto left = cluster_.Await<api::LeaseTimeToLiveResult>([&](api::Done<api::LeaseTimeToLiveResult> done) {
    cluster_.node(follower).LeaseTimeToLive({5}, true, std::move(done));
  });
  ASSERT_TRUE(left.ok()) << left.status();
  EXPECT_GE(left->ttl, 8);
  EXPECT_THAT(left->keys, ::testing::ElementsAre("key"));
  cluster_.RunFor(seconds(12));
  EXPECT_EQ(*cluster_.Count(follower), 0);
  const auto gone = cluster_.Await<api::LeaseKeepAliveResult>(
      [&](api::Done<api::LeaseKeepAliveResult> done) { cluster_.node(follower).LeaseKeepAlive({5}, std::move(done)); });
  ASSERT_TRUE(gone.ok()) << gone.status();
  EXPECT_EQ(gone->ttl, 0);
}

TEST_F(ClusterTest, TheLeadershipIsHandedOver) {
  const uint64_t to = cluster_.AnyFollower();
  const auto move = [&](uint64_t through, uint64_t target) {
    return cluster_
        .Await<std::monostate>(
            [&](api::Done<std::monostate> done) { cluster_.node(through).MoveLeader(target, std::move(done)); })
        .status();
  };
  EXPECT_EQ(move(to, to), api::ErrNotLeader());
  EXPECT_EQ(move(leader_, 99), api::ErrBadLeaderTransferee());
  const MonotonicTime begun = cluster_.now();
  EXPECT_EQ(move(leader_, to), absl::OkStatus());
  EXPECT_LT(cluster_.now() - begun, milliseconds(100));
  EXPECT_EQ(cluster_.leader(), to);
  EXPECT_TRUE(cluster_.Put(leader_, "key", "value").ok());
}

TEST_F(ClusterTest, AllLosePowerAtOnceAndNothingAcknowledgedIsLost) {
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(cluster_.Put(1 + static_cast<uint64_t>(i % 3), Numbered("key", i), "value").ok());
  }
  for (uint64_t id = 1; id <= 3; ++id) cluster_.Crash(id);
  for (uint64_t id = 1; id <= 3; ++id) cluster_.Restart(id);
  cluster_.AwaitLeader();
  for (uint64_t id = 1; id <= 3; ++id) EXPECT_EQ(*cluster_.Count(id), 200) << id;
  ExpectEqualDigests();
}

TEST(ClusterOnFullDisksTest, WhoHasRoomLeadsAndOnlyWhenNobodyHasTheWritesOfAllStop) {
  VirtualCluster cluster(3);
  const uint64_t first = cluster.AwaitLeader();
  const uint64_t follower = cluster.AnyFollower();
  const auto fill = [&](uint64_t id) {
    cluster.FillDisk(id);
    ASSERT_TRUE(cluster.Put(cluster.leader(), "key", "value").ok());
    cluster.RunFor(seconds(3));
  };

  fill(follower);
  EXPECT_EQ(cluster.leader(), first);
  EXPECT_TRUE(cluster.store(first).Alarms().empty()) << "the others make a quorum";
  EXPECT_TRUE(cluster.Put(follower, "key", "value").ok());

  fill(first);
  const uint64_t last = 6 - first - follower;
  EXPECT_EQ(cluster.leader(), last) << "the only one with room";
  EXPECT_TRUE(cluster.store(last).Alarms().empty());
  EXPECT_TRUE(cluster.Put(last, "key", "value").ok());

  fill(last);
  EXPECT_NE(cluster.leader(), 0u);
  EXPECT_FALSE(cluster.store(cluster.leader()).Alarms().empty());
  EXPECT_EQ(cluster.Put(cluster.leader(), "key", "value"), api::ErrNoSpace());
}

TEST(ClusterOfOneTest, BeginsWithTheBootstrapEntryAndKnowsItself) {
  VirtualCluster cluster(1);
  EXPECT_EQ(cluster.AwaitLeader(), 1u);
  ASSERT_TRUE(cluster.Put(1, "key", "value").ok());
  const auto members = cluster.Await<std::vector<api::Member>>([&](api::Done<std::vector<api::Member>> done) {
    cluster.node(1).MemberList(true, MonotonicTime::max(), std::move(done));
  });
  ASSERT_TRUE(members.ok());
  ASSERT_EQ(members->size(), 1u);
  EXPECT_EQ(members->front().client_urls.size(), 1u);
  cluster.Crash(1);
  cluster.Restart(1);
  cluster.AwaitLeader();
  EXPECT_EQ(*cluster.Count(1), 1);
}

}  // namespace
}  // namespace regent::server
