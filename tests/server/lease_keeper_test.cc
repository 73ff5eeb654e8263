// The ends of leases by themselves: how many a command takes, and how long the next one waits.
#include "server/node/lease_keeper.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "storage/memory_engine.h"
#include "tests/sim/scheduler.h"
#include "tests/support/memory_disk.h"

namespace regent::server {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The keeper of a leader with `count` leases of a second, and what it wants ended.
class LeaseKeeperTest : public ::testing::Test {
 protected:
  struct Command {
    MonotonicTime at;
    std::vector<api::LeaseId> ids;
    LeaseKeeper::Done done;
  };

  LeaseKeeperTest() {
    EXPECT_TRUE(disk_.CreateFolder("/wal").ok());
    storage::RecoveredLog recovered;
    log_ = *storage::LogStore::Open(disk_, "/wal", {.cluster_id = 7, .node_id = 8}, {}, &recovered);
    store_ = *storage::StateMachine::Open(
        std::make_shared<storage::MemoryEngine>(std::make_shared<storage::MemoryDisk>()), {});
    const NodeSeams seams{.raft_loop = *loop_,
                          .log_loop = *loop_,
                          .apply_loop = *loop_,
                          .watch_loop = *loop_,
                          .background = *loop_,
                          .log = *log_,
                          .state_machine = *store_,
                          .transport = transport_,
                          .metrics = metrics_};
    keeper_ = std::make_unique<LeaseKeeper>(seams, options_,
                                            [this](raft::Term, std::vector<api::LeaseId> ids, LeaseKeeper::Done done) {
                                              commands_.push_back({loop_->Now(), std::move(ids), std::move(done)});
                                            });
    keeper_->Start({});
    keeper_->Lead({1});
  }
  ~LeaseKeeperTest() override { loop_->Kill(); }

  void Grant(int64_t count) {
    std::vector<storage::LeaseChange> grants;
    for (int64_t id = 1; id <= count; ++id) {
      grants.push_back({.kind = storage::LeaseChange::Kind::kGranted, .id = {id}, .ttl = 1});
    }
    keeper_->OnChanges(grants);
  }

  void AwaitCommands(size_t count) {
    for (int i = 0; i < 5000 && commands_.size() < count; ++i) scheduler_.RunFor(milliseconds(1));
    ASSERT_EQ(commands_.size(), count);
  }

  // The newest command is done, `took` after it was asked for. Returns when that was.
  MonotonicTime Finish(Duration took) {
    scheduler_.RunFor(took);
    LeaseKeeper::Done done = std::move(commands_.back().done);
    std::vector<storage::LeaseChange> ends;
    for (const api::LeaseId id : commands_.back().ids)
      ends.push_back({.kind = storage::LeaseChange::Kind::kRevoked, .id = id});
    keeper_->OnChanges(ends);
    done(absl::OkStatus());
    return loop_->Now();
  }

  sim::Scheduler scheduler_{1};
  std::unique_ptr<sim::SimulatedLoop> loop_ = scheduler_.NewLoop("all");
  regent::testing::MemoryDisk disk_;
  Metrics metrics_;
  NullTransport transport_;
  NodeOptions options_;
  std::unique_ptr<storage::LogStore> log_;
  std::unique_ptr<storage::StateMachine> store_;
  std::vector<Command> commands_;
  std::unique_ptr<LeaseKeeper> keeper_;
};

TEST_F(LeaseKeeperTest, TheNextCommandWaitsAsLongAsTheLastOneTook) {
  Grant(200);
  AwaitCommands(1);
  EXPECT_LE(commands_[0].ids.size(), options_.lease_revokes_max);
  const MonotonicTime done = Finish(milliseconds(8));
  scheduler_.RunFor(milliseconds(6));
  EXPECT_EQ(commands_.size(), 1u) << "it did not wait";
  AwaitCommands(2);
  EXPECT_GE(commands_[1].at - done, milliseconds(7));
  EXPECT_LE(commands_[1].at - done, milliseconds(12));
}

TEST_F(LeaseKeeperTest, SlowCommandsBecomeSmallerAndAllLeasesEnd) {
  Grant(200);
  AwaitCommands(1);
  const size_t first = commands_[0].ids.size();
  size_t ended = 0;
  for (size_t command = 0; command < commands_.size(); ++command) {
    ended += commands_[command].ids.size();
    Finish(milliseconds(200));
    scheduler_.RunFor(seconds(1));
  }
  EXPECT_EQ(ended, 200u);
  EXPECT_LT(commands_.back().ids.size(), first);
}

}  // namespace
}  // namespace regent::server
