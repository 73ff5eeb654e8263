// RK-59: a node whose disk is full, under virtual time. The disk is in memory; its capacity is small, and raised later.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/contract/errors.h"
#include "storage/reserve_file.h"
#include "tests/server/virtual_node.h"

namespace regent::server {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kRoomBytes = 1 << 20;

class NodeOnSmallDisk {
 public:
  // kUnwatched is the planted bug: the log gives the reserve up, and nobody hears of it.
  enum class Reserve { kWatched, kUnwatched };

  explicit NodeOnSmallDisk(Reserve watch) {
    disk_.set_capacity(kRoomBytes);
    EXPECT_TRUE(disk_.CreateFolder("/wal").ok());
    EXPECT_TRUE(reserve_.Hold().ok());
    storage::LogOptions log{.segment_bytes = 4 << 20, .prefill_bytes = 1 << 16};
    log.make_room = [this] { return reserve_.GiveUp(); };
    node_ = std::make_unique<VirtualNode>(
        disk_, VirtualNode::Setup{.log = std::move(log), .reserve = watch == Reserve::kWatched ? &reserve_ : nullptr});
  }

  // DeadlineExceeded of the test's own: no answer within two seconds.
  absl::Status Write(api::WriteRequest request) {
    node_->node().Propose(std::move(request), MonotonicTime::max(),
                          [&answer = *answers_.emplace_back(std::make_unique<std::optional<absl::Status>>())](
                              const absl::StatusOr<api::WriteResult>& result) { answer = result.status(); });
    node_->RunFor(2s);
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
    return Write(api::AlarmRequest{.action = api::AlarmAction::kDeactivate,
                                   .member_id = VirtualNode::kMemberId,
                                   .alarm = api::AlarmType::kNoSpace});
  }
  bool alarm() const { return !node_->state_machine().Alarms().empty(); }
  bool reserve_held() const { return reserve_.held(); }
  void set_capacity(uint64_t bytes) {
    disk_.set_capacity(bytes);
    node_->RunFor(5s);
  }

 private:
  testing::MemoryDisk disk_;
  storage::ReserveFile reserve_{disk_, "/wal/reserve", {.bytes = 512 << 10, .for_start_bytes = 64 << 10}};
  std::vector<std::unique_ptr<std::optional<absl::Status>>> answers_;
  std::unique_ptr<VirtualNode> node_;
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
