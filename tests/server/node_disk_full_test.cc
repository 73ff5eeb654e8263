// RK-59: a node whose disk is full, under virtual time. The disk is in memory; its capacity is small, and raised later.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/contract/errors.h"
#include "server/node/node.h"
#include "storage/memory_engine.h"
#include "storage/reserve_file.h"
#include "tests/sim/scheduler.h"
#include "tests/support/memory_disk.h"

namespace regent::server {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kRoomBytes = 1 << 20;

class NodeOnSmallDisk {
 public:
  // kUnwatched is the planted bug: the log gives the reserve up, and nobody hears of it.
  enum class Reserve { kWatched, kUnwatched };

  explicit NodeOnSmallDisk(Reserve watch) {
    EXPECT_TRUE(disk_.CreateFolder("/wal").ok());
    disk_.set_capacity(kRoomBytes);
    EXPECT_TRUE(reserve_.Hold().ok());
    storage::LogOptions log_options{.segment_bytes = 4 << 20, .prefill_bytes = 1 << 16};
    log_options.make_room = [this] { return reserve_.GiveUp(); };
    storage::RecoveredLog recovered;
    log_ = *storage::LogStore::Open(disk_, "/wal", {.cluster_id = 7, .node_id = 8}, log_options, &recovered);
    state_machine_ = *storage::StateMachine::Open(
        std::make_shared<storage::MemoryEngine>(std::make_shared<storage::MemoryDisk>()), {});
    NodeOptions options;
    options.cluster_id = 7;
    options.member_id = 8;
    options.on_fatal = [](const std::string& why) { ADD_FAILURE() << why; };
    const NodeSeams seams{.raft_loop = *raft_loop_,
                          .log_loop = *log_loop_,
                          .apply_loop = *apply_loop_,
                          .watch_loop = *watch_loop_,
                          .background = *pool_,
                          .log = *log_,
                          .state_machine = *state_machine_,
                          .transport = transport_,
                          .seed = 1,
                          .metrics = metrics_,
                          .reserve = watch == Reserve::kWatched ? &reserve_ : nullptr};
    node_ = *Node::Open(seams, options, recovered);
    node_->Start([] {});
    scheduler_.RunFor(2s);
    EXPECT_TRUE(node_->ready());
  }
  ~NodeOnSmallDisk() {
    for (auto* loop : {&raft_loop_, &log_loop_, &apply_loop_, &watch_loop_, &pool_}) (*loop)->Kill();
  }

  // DeadlineExceeded of the test's own: no answer within two seconds.
  absl::Status Write(api::WriteRequest request) {
    node_->Propose(std::move(request), MonotonicTime::max(),
                   [&answer = *answers_.emplace_back(std::make_unique<std::optional<absl::Status>>())](
                       const absl::StatusOr<api::WriteResult>& result) { answer = result.status(); });
    scheduler_.RunFor(2s);
    return answers_.back()->value_or(absl::DeadlineExceededError("no answer"));
  }
  absl::Status Put(int number) {
    return Write(api::PutRequest{.key = "k" + std::to_string(number), .value = std::string(20'000, 'x')});
  }
  // Puts until one does not get in; what it was told.
  absl::Status FillUp() {
    for (int number = 0; number < 200; ++number) {
      if (absl::Status status = Put(number); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
  absl::Status Disarm() {
    return Write(
        api::AlarmRequest{.action = api::AlarmAction::kDeactivate, .member_id = 8, .alarm = api::AlarmType::kNoSpace});
  }
  bool alarm() const { return !state_machine_->Alarms().empty(); }
  bool reserve_held() const { return reserve_.held(); }
  void set_capacity(uint64_t bytes) {
    disk_.set_capacity(bytes);
    scheduler_.RunFor(5s);
  }

 private:
  sim::Scheduler scheduler_{3};
  testing::MemoryDisk disk_;
  storage::ReserveFile reserve_{disk_, "/wal/reserve", {.bytes = 512 << 10, .for_start_bytes = 64 << 10}};
  Metrics metrics_;
  NullTransport transport_;
  std::unique_ptr<sim::SimulatedLoop> raft_loop_ = scheduler_.NewLoop("raft"), log_loop_ = scheduler_.NewLoop("log"),
                                      apply_loop_ = scheduler_.NewLoop("apply"),
                                      watch_loop_ = scheduler_.NewLoop("watch"),
                                      pool_ = scheduler_.NewLoop("pool", {.parallel = true});
  std::unique_ptr<storage::LogStore> log_;
  std::unique_ptr<storage::StateMachine> state_machine_;
  std::vector<std::unique_ptr<std::optional<absl::Status>>> answers_;
  std::unique_ptr<Node> node_;
};

TEST(NodeDiskFull, RK59_TheReserveRaisesTheAlarmAndServesDeletesAndCompaction) {
  NodeOnSmallDisk node(NodeOnSmallDisk::Reserve::kWatched);
  EXPECT_EQ(node.FillUp(), api::ErrNoSpace());
  EXPECT_TRUE(node.alarm());
  EXPECT_FALSE(node.reserve_held());
  for (int number = 0; number < 20; ++number) {
    EXPECT_TRUE(node.Write(api::DeleteRangeRequest{.key = "k" + std::to_string(number)}).ok());
  }
  EXPECT_TRUE(node.Write(api::CompactionRequest{.revision = {5}}).ok());

  node.set_capacity(64 << 20);
  EXPECT_TRUE(node.reserve_held()) << "there is space again";
  EXPECT_EQ(node.Put(1), api::ErrNoSpace()) << "the operator disarms the alarm, as with the quota";
  EXPECT_TRUE(node.Disarm().ok());
  EXPECT_TRUE(node.Put(1).ok());
}

TEST(NodeDiskFull, RK59_WhatWaitsForSpaceGetsInWhenThereIsSomeAndMoreIsRefused) {
  NodeOnSmallDisk node(NodeOnSmallDisk::Reserve::kUnwatched);
  EXPECT_EQ(node.FillUp().message(), "no answer") << "the put waits for space";
  EXPECT_EQ(node.Put(201), api::ErrNoSpace()) << "another one does not wait as well";
  node.set_capacity(64 << 20);
  EXPECT_TRUE(node.Put(202).ok());
}

TEST(NodeDiskFull, RK59_ThePlantedBugIsFound) {
  NodeOnSmallDisk node(NodeOnSmallDisk::Reserve::kUnwatched);
  EXPECT_NE(node.FillUp(), api::ErrNoSpace());
  EXPECT_FALSE(node.alarm());
  EXPECT_FALSE(node.Write(api::DeleteRangeRequest{.key = "k1"}).ok()) << "ordinary puts have taken the reserve";
}

}  // namespace
}  // namespace regent::server
