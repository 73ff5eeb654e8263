// The purge by itself: the pauses between its slices.
#include "server/node/purger.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/node/transport.h"
#include "storage/memory_engine.h"
#include "tests/server/ticking_loop.h"
#include "tests/sim/scheduler.h"
#include "tests/support/memory_disk.h"

namespace regent::server {
namespace {

using std::chrono::milliseconds;

constexpr int kVersions = 100;  // of one key; all but the last are compacted
constexpr size_t kSliceEvents = 10;

class PurgerTest : public ::testing::Test {
 protected:
  // A store with something to purge, and its purger; each slice takes `slice`.
  void Make(Duration slice) {
    ASSERT_TRUE(disk_.CreateFolder("/wal").ok());
    storage::RecoveredLog recovered;
    log_ = *storage::LogStore::Open(disk_, "/wal", {.cluster_id = 7, .node_id = 8}, {}, &recovered);
    store_ = *storage::StateMachine::Open(
        std::make_shared<storage::MemoryEngine>(std::make_shared<storage::MemoryDisk>()), {});
    for (int i = 0; i < kVersions; ++i) Apply(api::PutRequest{.key = "a", .value = std::to_string(i)});
    Apply(api::CompactionRequest{.revision = {1 + kVersions}});
    apply_loop_ = std::make_unique<TickingLoop>(*loop_, slice);
    const NodeSeams seams{.raft_loop = *loop_,
                          .log_loop = *loop_,
                          .apply_loop = *apply_loop_,
                          .watch_loop = *loop_,
                          .background = *loop_,
                          .log = *log_,
                          .state_machine = *store_,
                          .transport = transport_,
                          .metrics = metrics_};
    purger_ = std::make_unique<Purger>(seams, options_);
  }
  ~PurgerTest() override { loop_->Kill(); }

  void Apply(api::WriteRequest request) {
    const storage::Command command{.request = {.node = 8, .sequence = ++index_}, .body = std::move(request)};
    const raft::Entry entry{.index = {index_}, .term = {1}, .data = storage::EncodeCommand(command)};
    store_->Apply({&entry, 1}, nullptr);
  }
  bool Purged() const { return !store_->PlanPurge(*store_->view(), 1000).has_value(); }
  // How long until everything is purged.
  Duration AwaitPurge() {
    const MonotonicTime start = scheduler_.now();
    for (int i = 0; i < 5000 && !Purged(); ++i) scheduler_.RunFor(milliseconds(1));
    EXPECT_TRUE(Purged());
    return scheduler_.now() - start;
  }

  static constexpr int kSlices = kVersions / kSliceEvents;
  sim::Scheduler scheduler_{1};
  std::unique_ptr<sim::SimulatedLoop> loop_ = scheduler_.NewLoop("all");
  std::unique_ptr<TickingLoop> apply_loop_;
  regent::testing::MemoryDisk disk_;
  NullTransport transport_;
  Metrics metrics_;
  NodeOptions options_{.purge_events_max = kSliceEvents, .purge_pause = milliseconds(20)};
  std::unique_ptr<storage::LogStore> log_;
  std::unique_ptr<storage::StateMachine> store_;
  std::unique_ptr<Purger> purger_;
  uint64_t index_ = 0;
};

TEST_F(PurgerTest, BetweenQuickSlicesItRestsForThePause) {
  Make(Duration::zero());
  purger_->Kick();
  const Duration took = AwaitPurge();
  EXPECT_GE(took, options_.purge_pause * (kSlices - 1));
  EXPECT_LE(took, options_.purge_pause * (kSlices + 2));
}

TEST_F(PurgerTest, AfterASlowSliceItRestsAsLongAsTheSliceTook) {
  Make(milliseconds(70));
  purger_->Kick();
  const Duration took = AwaitPurge();
  EXPECT_GE(took, milliseconds(70) * (kSlices - 1));
  EXPECT_LE(took, milliseconds(70) * (kSlices + 2));
}

TEST_F(PurgerTest, WhoWaitsForThePurgeDoesNotWaitForThePause) {
  Make(Duration::zero());
  std::optional<absl::StatusOr<api::WriteResult>> answer;
  purger_->AnswerWhenPurged({1 + kVersions}, api::CompactionResult{.revision = {1 + kVersions}},
                            [&](absl::StatusOr<api::WriteResult> result) { answer = std::move(result); });
  EXPECT_LT(AwaitPurge(), options_.purge_pause);
  scheduler_.RunFor(milliseconds(1));
  ASSERT_TRUE(answer.has_value());
  EXPECT_TRUE(answer->ok());
}

}  // namespace
}  // namespace regent::server
