// Bugs of other clusters, on members under virtual time. tests/regress/table says which bug each number is.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/contract/errors.h"
#include "raft/configuration.h"
#include "server/node/snapshot_receiver.h"
#include "storage/command.h"
#include "tests/regress/planted_bug.h"
#include "tests/server/virtual_cluster.h"

namespace regent::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

NodeMutants Planted() {
  const std::string bug = regress::PlantedBug();
  NodeMutants mutants;
  mutants.receive_while_installing = bug == "receive_while_installing";
  mutants.member_list_local = bug == "member_list_local";
  mutants.promote_unready = bug == "promote_unready";
  mutants.lead_with_stalled_disk = bug == "lead_with_stalled_disk";
  return mutants;
}

// Members that offer snapshots and send what is asked for, played by a test.
class SnapshotOffers final : public Transport {
 public:
  SnapshotOffers(storage::Files& files, SnapshotReceiver*& receiver) : files_(files), receiver_(receiver) {}

  // A snapshot with everything up to `last`.
  storage::SnapshotFacts Make(uint64_t number, uint64_t last) {
    const auto store = *storage::StateMachine::Open(
        std::make_shared<storage::MemoryEngine>(std::make_shared<storage::MemoryDisk>(), 1, &files_), {});
    for (uint64_t index = 1; index <= last; ++index) {
      const api::WriteRequest request =
          index == 1 ? api::WriteRequest(api::MemberBootstrapRequest{.members = {{.id = 1, .name = "m1"}}})
                     : api::WriteRequest(api::PutRequest{.key = "key", .value = std::to_string(index)});
      const std::string command = storage::EncodeCommand({.request = {.node = 1, .sequence = index}, .body = request});
      raft::Entry entry{.index = {index}, .term = {1}, .type = raft::EntryType::kNormal, .data = command};
      if (index == 1) {
        entry.type = raft::EntryType::kConfiguration;
        entry.data = raft::Encode(raft::ConfigurationEntry{{.voters = {{1}}}, command});
      }
      store->Apply({&entry, 1}, [](std::string_view) { return false; });
    }
    const auto facts = store->Checkpoint(FolderOf(number));
    EXPECT_TRUE(facts.ok()) << facts.status();
    return *facts;
  }
  SnapshotOffer Offer(uint64_t number, const storage::SnapshotFacts& facts) {
    return {
        .number = number, .term = {1}, .facts = facts, .files = *storage::ListSnapshotFiles(files_, FolderOf(number))};
  }

  void Send(std::vector<raft::Message>) override {}
  bool Tell(raft::NodeId to, PeerNote note) override {
    const auto* fetch = std::get_if<SnapshotFetch>(&note);
    if (fetch == nullptr) return true;
    const std::string name = (*storage::ListSnapshotFiles(files_, FolderOf(fetch->number)))[fetch->file].name;
    asked_.push_back([this, to,
                      piece = SnapshotPiece{.number = fetch->number,
                                            .file = fetch->file,
                                            .offset = fetch->offset,
                                            .bytes = *storage::ReadSnapshotPiece(
                                                files_, FolderOf(fetch->number) + "/" + name, fetch->offset, 64)}] {
      receiver_->OnPiece(to, piece);
    });
    return true;
  }
  std::optional<MonotonicTime> ConnectedSince(raft::NodeId) const override { return MonotonicTime(); }
  void Deliver() {
    for (const auto& one : std::exchange(asked_, {})) one();
  }

 private:
  static std::string FolderOf(uint64_t number) { return "/snap/offer-" + std::to_string(number); }

  storage::Files& files_;
  SnapshotReceiver*& receiver_;
  std::vector<std::function<void()>> asked_;
};

// The leader changes, and another one offers a newer snapshot: one that is on its way gives way to it, one that is
// whole and about to be installed does not.
TEST(SnapshotReceiverRegression, RK15_ANewerSnapshotDoesNotTouchTheOneThatIsBeingInstalled) {
  sim::Scheduler scheduler(1);
  const auto loop = scheduler.NewLoop("raft"), pool = scheduler.NewLoop("pool");
  regent::testing::MemoryDisk disk;
  for (const char* folder : {"/snap", "/wal"}) ASSERT_TRUE(disk.CreateFolder(folder).ok());
  auto store = std::make_shared<storage::MemoryDisk>();
  regent::testing::MemorySnapshots snapshots(disk, store, 1);
  storage::RecoveredLog recovered;
  const auto log = storage::LogStore::Open(disk, "/wal", {.cluster_id = 7, .node_id = 3}, {}, &recovered);
  ASSERT_TRUE(log.ok()) << log.status();
  const auto machine = *storage::StateMachine::Open(std::make_shared<storage::MemoryEngine>(store), {});
  Metrics metrics;
  SnapshotReceiver* receiving = nullptr;
  SnapshotOffers offers(disk, receiving);
  const NodeSeams seams{.raft_loop = *loop,
                        .log_loop = *loop,
                        .apply_loop = *loop,
                        .watch_loop = *loop,
                        .background = *pool,
                        .log = **log,
                        .state_machine = *machine,
                        .transport = offers,
                        .metrics = metrics,
                        .snapshots = &snapshots};
  NodeOptions options;
  options.mutants = Planted();
  std::vector<uint64_t> arrived;
  SnapshotReceiver receiver(seams, options,
                            {.wanted = [](raft::Index) { return true; },
                             .arrived =
                                 [&](const raft::Message& message) {
                                   arrived.push_back(std::get<raft::InstallSnapshot>(message.body).index.value);
                                 }});
  receiving = &receiver;
  const auto run = [&](int turns) {
    for (int turn = 0; turn < turns; ++turn) {
      scheduler.RunFor(milliseconds(10));
      offers.Deliver();
    }
  };
  const storage::SnapshotFacts first = offers.Make(1, 10), second = offers.Make(2, 20), third = offers.Make(3, 30);
  receiver.OnOffer({1}, offers.Offer(1, first));
  run(2);
  scheduler.RunFor(milliseconds(10));              // what came is written
  receiver.OnOffer({2}, offers.Offer(2, second));  // it is newer, and the first one is not whole
  run(400);
  ASSERT_EQ(arrived, std::vector<uint64_t>{20});
  receiver.OnOffer({1}, offers.Offer(3, third));  // the core is having the second one installed
  run(400);
  EXPECT_EQ(arrived, std::vector<uint64_t>{20}) << "a newer one was received under the one that is being installed";
  const auto engine = snapshots.SwitchToReceived();
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ(*storage::ReadSnapshotFacts(**engine), second) << "another snapshot than the core was told of";
  receiver.OnInstalled(true);
  receiver.OnOffer({1}, offers.Offer(3, third));
  run(400);
  EXPECT_EQ(arrived, (std::vector<uint64_t>{20, 30})) << "now it is wanted";
}

class ClusterRegression : public ::testing::Test {
 protected:
  ClusterRegression() { leader_ = cluster_.AwaitLeader(); }

  VirtualCluster cluster_{3, [](NodeOptions& options) {
                            options.strict_reconfiguration = false;
                            options.raft.pre_vote = regress::PlantedBug() != "no_pre_vote";
                            options.mutants = Planted();
                          }};
  uint64_t leader_ = 0;
};

TEST_F(ClusterRegression, RK31_AListOfMembersIsNoOlderThanTheQuestion) {
  const uint64_t follower = cluster_.AnyFollower();
  const api::MemberAddRequest add{.peer_urls = {"http://10.0.0.9:2380"}, .is_learner = true};
  cluster_.network().Cut(leader_, follower);
  ASSERT_TRUE(cluster_.Propose(leader_, add).ok());
  std::optional<absl::StatusOr<std::vector<api::Member>>> list;
  cluster_.node(follower).MemberList(true, MonotonicTime::max(), [&](auto result) { list = std::move(result); });
  cluster_.RunFor(milliseconds(300));
  cluster_.network().Heal();
  ASSERT_TRUE(cluster_.RunUntil([&] { return list.has_value(); }));
  EXPECT_TRUE(!list->ok() || (*list)->size() == 4u) << "a list from before the question";
}

TEST_F(ClusterRegression, RK44_WhoWasAwayComesBackWithoutAnElection) {
  const uint64_t away = cluster_.AnyFollower();
  const uint64_t term = cluster_.node(leader_).CurrentHeader().raft_term;
  cluster_.network().Isolate(away);
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(cluster_.Put(leader_, "key" + std::to_string(i), "value").ok());
    cluster_.RunFor(seconds(1));
  }
  cluster_.network().Heal();
  cluster_.RunFor(seconds(10));
  EXPECT_EQ(cluster_.leader(), leader_) << "who came back deposed the leader";
  EXPECT_EQ(cluster_.node(leader_).CurrentHeader().raft_term, term) << "an election for nothing";
  EXPECT_EQ(*cluster_.Count(away), 30);
}

TEST_F(ClusterRegression, RK45_ALearnerThatHasNotStartedGetsNoVote) {
  const auto added =
      cluster_.Propose(leader_, api::MemberAddRequest{.peer_urls = {"http://10.0.0.9:2380"}, .is_learner = true});
  ASSERT_TRUE(added.ok()) << added.status();
  for (const api::Member& member : std::get<api::MembersResult>(*added).members) {
    if (!member.is_learner) continue;
    EXPECT_EQ(cluster_.Propose(leader_, api::MemberPromoteRequest{.id = member.id}).status(), api::ErrLearnerNotReady())
        << "a vote for one that has never been there";
  }
}

TEST_F(ClusterRegression, RK48_ALeaderWhoseDiskStandsStillLeadsNoMore) {
  cluster_.StallDisk(leader_, seconds(15));
  cluster_.node(leader_).Propose(api::PutRequest{.key = "held", .value = "up"}, MonotonicTime::max(),
                                 [](const absl::StatusOr<api::WriteResult>&) {});
  const uint64_t other = leader_ % 3 + 1;
  EXPECT_TRUE(cluster_.RunUntil(
      [&] {
        const uint64_t leads = cluster_.LeaderSeenBy(other);
        return leads != 0 && leads != leader_;
      },
      seconds(8)))
      << "the leader's heartbeats went on while nothing could be written";
}

}  // namespace
}  // namespace regent::server
