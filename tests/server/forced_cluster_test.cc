// The others are lost for ever, and one goes on alone.
#include "server/node/forced_cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "raft/configuration.h"
#include "storage/command.h"
#include "tests/server/virtual_cluster.h"

namespace regent::server {
namespace {

using regent::testing::MemoryDisk;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<uint64_t> Ids(const storage::StateMachine& store) {
  std::vector<uint64_t> ids;
  for (const api::Member& member : store.Members()) ids.push_back(member.id);
  return ids;
}

class ForcedClusterTest : public ::testing::Test {
 protected:
  ForcedClusterTest() {
    survivor_ = cluster_.AwaitLeader();
    for (uint64_t id = 1; id <= 3; ++id) {
      if (id != survivor_) others_.push_back(id);
    }
    cluster_.RunFor(seconds(6));
  }
  void LoseTheOthers() {
    for (const uint64_t id : others_) cluster_.Crash(id);
  }
  void Await() {
    ASSERT_TRUE(cluster_.RunUntil([&] { return cluster_.node(survivor_).ready(); }));
  }

  VirtualCluster cluster_{3};
  uint64_t survivor_ = 0;
  std::vector<uint64_t> others_;
};

TEST_F(ForcedClusterTest, TheSurvivorServesAloneKeepsItsDataAndGoesOnSoWithoutTheFlag) {
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster_.Put(survivor_, "key" + std::to_string(i), "value").ok());
  LoseTheOthers();
  cluster_.Crash(survivor_);
  EXPECT_EQ(cluster_.RestartForced(survivor_), others_);
  Await();
  EXPECT_EQ(*cluster_.Count(survivor_), 20);
  ASSERT_TRUE(cluster_.Put(survivor_, "more", "value").ok());
  EXPECT_THAT(Ids(cluster_.store(survivor_)), ElementsAre(survivor_));
  EXPECT_THAT(cluster_.store(survivor_).RemovedMembers(), ::testing::ElementsAreArray(others_));
  EXPECT_TRUE(cluster_.node(survivor_).WasRemoved(others_[0]));

  for (int restart = 0; restart < 2; ++restart) {
    cluster_.Crash(survivor_);
    cluster_.Restart(survivor_);
    Await();
    EXPECT_THAT(Ids(cluster_.store(survivor_)), ElementsAre(survivor_));
    EXPECT_EQ(*cluster_.Count(survivor_), 21);
  }
  // And others may come.
  EXPECT_TRUE(
      cluster_.Propose(survivor_, api::MemberAddRequest{.peer_urls = {"http://10.0.0.9:2380"}, .is_learner = true})
          .ok());
  EXPECT_TRUE(cluster_.Put(survivor_, "yet more", "value").ok());
  EXPECT_EQ(Ids(cluster_.store(survivor_)).size(), 2u);
}

TEST_F(ForcedClusterTest, DoneAgainItChangesNothing) {
  LoseTheOthers();
  cluster_.Crash(survivor_);
  EXPECT_EQ(cluster_.RestartForced(survivor_), others_);
  Await();
  cluster_.Crash(survivor_);
  EXPECT_THAT(cluster_.RestartForced(survivor_), IsEmpty());
  Await();
  EXPECT_THAT(Ids(cluster_.store(survivor_)), ElementsAre(survivor_));
  EXPECT_TRUE(cluster_.Put(survivor_, "key", "value").ok());
}

// What it holds may have been acknowledged by a leader that is lost.
TEST_F(ForcedClusterTest, EveryEntryThatTheSurvivorHoldsCounts) {
  LoseTheOthers();
  cluster_.node(survivor_).Propose(api::PutRequest{.key = "unknown", .value = "outcome"}, MonotonicTime::max(),
                                   [](const absl::StatusOr<api::WriteResult>&) {});
  cluster_.RunFor(std::chrono::milliseconds(50));
  cluster_.Crash(survivor_);
  cluster_.RestartForced(survivor_);
  Await();
  EXPECT_EQ(*cluster_.Count(survivor_), 1);
}

TEST_F(ForcedClusterTest, LearnersAreDroppedToo) {
  ASSERT_TRUE(
      cluster_.Propose(survivor_, api::MemberAddRequest{.peer_urls = {"http://10.0.0.9:2380"}, .is_learner = true})
          .ok());
  LoseTheOthers();
  cluster_.Crash(survivor_);
  EXPECT_EQ(cluster_.RestartForced(survivor_).size(), 3u);
  Await();
  EXPECT_THAT(Ids(cluster_.store(survivor_)), ElementsAre(survivor_));
  EXPECT_TRUE(cluster_.Put(survivor_, "key", "value").ok());
}

// ---- on log and store alone ----------------------------------------------------------------------------------------

constexpr uint64_t kSelf = 3;

api::Member Named(uint64_t id) {
  return {.id = id, .name = "m" + std::to_string(id), .peer_urls = {"http://" + std::to_string(id)}};
}

raft::Entry Change(uint64_t index, raft::Configuration configuration, api::WriteRequest request) {
  const std::string context = storage::EncodeCommand({.body = std::move(request)});
  return raft::Entry{.index = {index},
                     .term = {1},
                     .type = raft::EntryType::kConfiguration,
                     .data = raft::Encode(raft::ConfigurationEntry{std::move(configuration), context})};
}

// The last entry of a change whose request came with the one before.
raft::Entry Completed(uint64_t index, raft::Configuration configuration) {
  return raft::Entry{.index = {index},
                     .term = {1},
                     .type = raft::EntryType::kConfiguration,
                     .data = raft::Encode(raft::ConfigurationEntry{std::move(configuration), ""})};
}

// A member's log of a cluster of the members 1 and 2, and its store, which has applied what it is told to.
struct Stopped {
  explicit Stopped(MemoryDisk& disk) {
    EXPECT_TRUE(disk.CreateFolder("/wal").ok());
    auto opened = storage::LogStore::Open(disk, "/wal", {.cluster_id = 7, .node_id = kSelf},
                                          {.segment_bytes = 1 << 20, .prefill_bytes = 1 << 16, .seed = 5}, &recovered);
    EXPECT_TRUE(opened.ok()) << opened.status();
    log = *std::move(opened);
    store = *storage::StateMachine::Open(
        std::make_shared<storage::MemoryEngine>(std::make_shared<storage::MemoryDisk>()), {});
  }
  void Begin() { ASSERT_TRUE(WriteBootstrapEntry(*log, {Named(1), Named(2)}, &recovered).ok()); }
  void Append(const raft::Entry& entry) {
    ASSERT_TRUE(log->Append(std::array{entry}).ok());
    recovered.last_index = entry.index;
    recovered.last_term = entry.term;
    recovered.configurations.push_back(entry.index);
  }
  void ApplyAll() {
    while (store->applied() < recovered.last_index) {
      store->Apply(*log->Read({store->applied().value + 1}, 1), nullptr);
    }
  }
  absl::StatusOr<std::vector<uint64_t>> Force() { return ForceNewCluster(*log, *store, Named(kSelf), &recovered); }
  raft::Configuration Newest() const {
    const std::vector<raft::Entry> entries = *log->Read(recovered.configurations.back(), 1);
    return raft::DecodeConfigurationEntry(entries[0].data)->configuration;
  }

  storage::RecoveredLog recovered;
  std::unique_ptr<storage::LogStore> log;
  std::unique_ptr<storage::StateMachine> store;
};

const raft::Configuration kAlone{.voters = {{kSelf}}, .outgoing_voters = {}, .learners = {}};

TEST(ForceNewClusterTest, ALearnerBecomesTheOneThatVotes) {
  for (const bool applied : {false, true}) {
    MemoryDisk disk;
    Stopped member(disk);
    member.Begin();
    member.Append(Change(2, {.voters = {{1}, {2}}, .outgoing_voters = {}, .learners = {{kSelf}}},
                         api::MemberAddRequest{.id = kSelf, .peer_urls = {"http://3"}, .is_learner = true}));
    if (applied) member.ApplyAll();
    EXPECT_THAT(*member.Force(), ElementsAre(1, 2));
    EXPECT_EQ(member.Newest(), kAlone);
    member.ApplyAll();
    EXPECT_THAT(Ids(*member.store), ElementsAre(kSelf));
    EXPECT_FALSE(member.store->Members()[0].is_learner);
    EXPECT_THAT(*member.Force(), IsEmpty());
  }
}

TEST(ForceNewClusterTest, AMemberThatWasNotToldOfItselfYetNamesItself) {
  MemoryDisk disk;
  Stopped member(disk);
  member.Begin();
  EXPECT_THAT(*member.Force(), ElementsAre(1, 2));
  EXPECT_EQ(member.Newest(), kAlone);
  member.ApplyAll();
  EXPECT_EQ(member.store->Members(), std::vector{Named(kSelf)});
}

TEST(ForceNewClusterTest, AChangeUnderWayEndsWithIt) {
  MemoryDisk disk;
  Stopped member(disk);
  member.Begin();
  member.ApplyAll();
  member.Append(Change(2, {.voters = {{1}, {2}, {kSelf}}, .outgoing_voters = {{1}, {2}}, .learners = {}},
                       api::MemberAddRequest{.id = kSelf, .peer_urls = {"http://3"}}));
  member.Append(Completed(3, {.voters = {{1}, {2}, {kSelf}}, .outgoing_voters = {}, .learners = {}}));
  member.Append(Change(4, {.voters = {{2}, {kSelf}}, .outgoing_voters = {{1}, {2}, {kSelf}}, .learners = {}},
                       api::MemberRemoveRequest{.id = 1}));
  EXPECT_THAT(*member.Force(), ElementsAre(1, 2));
  EXPECT_EQ(member.Newest(), kAlone);
  member.ApplyAll();
  EXPECT_THAT(Ids(*member.store), ElementsAre(kSelf));
  EXPECT_THAT(member.store->RemovedMembers(), ElementsAre(1, 2));
}

// The others could not finish its removal any more.
TEST(ForceNewClusterTest, OneWhoseRemovalIsUnderWayStays) {
  MemoryDisk disk;
  Stopped member(disk);
  member.Begin();
  member.Append(Change(2, {.voters = {{1}, {2}, {kSelf}}, .outgoing_voters = {{1}, {2}}, .learners = {}},
                       api::MemberAddRequest{.id = kSelf, .peer_urls = {"http://3"}}));
  member.Append(Completed(3, {.voters = {{1}, {2}, {kSelf}}, .outgoing_voters = {}, .learners = {}}));
  member.Append(Change(4, {.voters = {{1}, {2}}, .outgoing_voters = {{1}, {2}, {kSelf}}, .learners = {}},
                       api::MemberRemoveRequest{.id = kSelf}));
  EXPECT_THAT(*member.Force(), ElementsAre(1, 2));
  member.ApplyAll();
  EXPECT_THAT(Ids(*member.store), ElementsAre(kSelf));
  EXPECT_THAT(member.store->RemovedMembers(), ElementsAre(1, 2));
}

TEST(ForceNewClusterTest, ALogThatEndsBeforeTheStoreIsLeftAsItIs) {
  MemoryDisk disk;
  Stopped member(disk);
  member.Begin();
  member.ApplyAll();
  const raft::Entry ahead = Change(2, {.voters = {{1}, {2}}, .outgoing_voters = {}, .learners = {{kSelf}}},
                                   api::MemberAddRequest{.id = kSelf, .peer_urls = {"http://3"}, .is_learner = true});
  member.store->Apply({&ahead, 1}, nullptr);  // its entry is gone
  EXPECT_TRUE(absl::IsDataLoss(member.Force().status()));
  EXPECT_EQ(member.log->last_index(), raft::Index{1});
}

TEST(ForceNewClusterTest, WithoutDataAndForOneThatWasRemovedItIsRefused) {
  MemoryDisk disk;
  Stopped member(disk);
  EXPECT_THAT(std::string(member.Force().status().message()), HasSubstr("has nothing of the cluster's data"));
  member.Begin();
  member.Append(
      Change(2, {.voters = {{1}, {2}}, .outgoing_voters = {}, .learners = {}}, api::MemberRemoveRequest{.id = kSelf}));
  for (const bool applied : {false, true}) {
    if (applied) member.ApplyAll();
    EXPECT_THAT(std::string(member.Force().status().message()), HasSubstr("was removed from the cluster"));
  }
  EXPECT_EQ(member.log->last_index(), raft::Index{2});
}

// At every call of the disk, with what was not synced kept or lost: it is done, or as before and can be done again.
TEST(ForceNewClusterTest, ACrashAtAnyMomentLeavesItDoneOrToBeDone) {
  MemoryDisk disk;
  Stopped member(disk);
  member.Begin();
  std::vector<std::unique_ptr<MemoryDisk>> crashed;
  disk.set_observer([&](uint64_t) {
    for (int kept = 0; kept < 4; ++kept) {
      int piece = 0;
      crashed.push_back(disk.AfterCrash([&](const regent::testing::UnsyncedPiece&) {
        return kept == 1 || (kept >= 2 && (piece++ % 2 == kept - 2));
      }));
    }
  });
  ASSERT_TRUE(member.Force().ok());
  disk.set_observer(nullptr);
  const raft::Index done = member.recovered.last_index;
  size_t times_done = 0, times_not = 0;
  for (const auto& left : crashed) {
    Stopped again(*left);
    const bool is_done = again.recovered.last_index == done;
    ASSERT_TRUE(is_done || again.recovered.last_index == raft::Index{1}) << again.recovered.last_index.value;
    ++(is_done ? times_done : times_not);
    EXPECT_EQ(again.Force()->empty(), is_done);
    EXPECT_EQ(again.Newest(), kAlone);
    again.ApplyAll();
    EXPECT_THAT(Ids(*again.store), ElementsAre(kSelf));
  }
  EXPECT_GT(times_done, 0u);
  EXPECT_GT(times_not, 0u);
}

}  // namespace
}  // namespace regent::server
