// Automatic compaction: the planner against etcd's rules, and a node that follows it under virtual time.
#include "server/node/compaction_planner.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/node/node.h"
#include "storage/memory_engine.h"
#include "tests/sim/scheduler.h"
#include "tests/support/memory_disk.h"

namespace regent::server {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

// Drives a planner with a revision that grows by one every minute; says when it compacted, in minutes and revisions.
class Clock {
 public:
  explicit Clock(CompactionPolicy policy) : planner_(policy, start_, {1}) {}

  std::vector<std::string> RunFor(Duration time) {
    std::vector<std::string> compactions;
    for (const MonotonicTime end = now_ + time; now_ + planner_.interval() <= end;) {
      now_ += planner_.interval();
      const std::optional<api::Revision> at = planner_.Look(now_, Current(), leads);
      if (!at.has_value()) continue;
      compactions.push_back(std::to_string(std::chrono::duration_cast<std::chrono::minutes>(now_ - start_).count()) +
                            ":" + std::to_string(at->value));
      if (succeeds) planner_.Compacted(now_, *at);
    }
    return compactions;
  }
  Duration interval() const { return planner_.interval(); }

  bool leads = true;
  bool succeeds = true;
  bool idle = false;

 private:
  api::Revision Current() {
    if (!idle) revision_ = 1 + std::chrono::duration_cast<std::chrono::minutes>(now_ - start_).count();
    return {revision_};
  }

  const MonotonicTime start_{std::chrono::hours(1000)};
  MonotonicTime now_ = start_;
  int64_t revision_ = 1;
  CompactionPlanner planner_;
};

// etcd keeps one note more than the period has looks: it compacts at the revision of an hour and six minutes ago.
TEST(CompactionPlanner, AnHourIsCompactedEveryHourAtTheRevisionOfAnHourAgo) {
  Clock clock({.period = 1h});
  EXPECT_EQ(clock.interval(), 6min);
  EXPECT_THAT(clock.RunFor(3h), ElementsAre("60:1", "120:55", "180:115"));
}

TEST(CompactionPlanner, ADayIsCompactedEveryHourAfterTheFirstDay) {
  Clock clock({.period = 24h});
  EXPECT_EQ(clock.interval(), 6min);
  EXPECT_THAT(clock.RunFor(26h), ElementsAre("1440:1", "1500:55", "1560:115"));
}

TEST(CompactionPlanner, LessThanAnHourIsCompactedAsOftenAsItIsLong) {
  Clock clock({.period = 10min});
  EXPECT_EQ(clock.interval(), 1min);
  EXPECT_THAT(clock.RunFor(30min), ElementsAre("10:1", "20:10", "30:20"));
  EXPECT_EQ(CompactionPlanner({.period = 5s}, {}, {1}).interval(), 500ms);
}

TEST(CompactionPlanner, AFailedCompactionIsTriedAgainAtTheNextLookFurtherOn) {
  Clock clock({.period = 1h});
  clock.succeeds = false;
  EXPECT_THAT(clock.RunFor(1h + 12min), ElementsAre("60:1", "66:1", "72:7"));
  clock.succeeds = true;
  EXPECT_THAT(clock.RunFor(1h + 6min), ElementsAre("78:13", "138:73"));
}

TEST(CompactionPlanner, WhoDoesNotLeadNotesRevisionsAndDoesNotCompact) {
  Clock clock({.period = 1h});
  clock.leads = false;
  EXPECT_THAT(clock.RunFor(5h), ElementsAre());
  clock.leads = true;
  EXPECT_THAT(clock.RunFor(6min), ElementsAre("306:241"));
}

TEST(CompactionPlanner, ByRevisionsTheNewestStayEveryFiveMinutes) {
  Clock clock({.revisions = 7});
  EXPECT_EQ(clock.interval(), 5min);
  EXPECT_THAT(clock.RunFor(20min), ElementsAre("10:4", "15:9", "20:14"));
  clock.idle = true;
  EXPECT_THAT(clock.RunFor(20min), ElementsAre());  // nothing new: nothing to do
}

TEST(CompactionPlanner, ByRevisionsAFailedOneIsAskedForAgain) {
  Clock clock({.revisions = 7});
  clock.succeeds = false;
  clock.RunFor(10min);
  clock.idle = true;
  EXPECT_THAT(clock.RunFor(10min), ElementsAre("15:4", "20:4"));
}

// ---- a node under virtual time -------------------------------------------------------------------------------------

class CompactingNode {
 public:
  explicit CompactingNode(CompactionPolicy policy) {
    EXPECT_TRUE(disk_.CreateFolder("/wal").ok());
    storage::RecoveredLog recovered;
    log_ = *storage::LogStore::Open(disk_, "/wal", {.cluster_id = 7, .node_id = 8},
                                    {.segment_bytes = 1 << 20, .prefill_bytes = 1 << 16}, &recovered);
    state_machine_ = *storage::StateMachine::Open(
        std::make_shared<storage::MemoryEngine>(std::make_shared<storage::MemoryDisk>()), {});
    NodeOptions options;
    options.cluster_id = 7;
    options.member_id = 8;
    options.compaction = policy;
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
                          .metrics = metrics_};
    node_ = *Node::Open(seams, options, recovered);
    node_->Start([] {});
    scheduler_.RunFor(2s);
    EXPECT_TRUE(node_->ready());
  }
  ~CompactingNode() {
    for (auto* loop : {&raft_loop_, &log_loop_, &apply_loop_, &watch_loop_, &pool_}) (*loop)->Kill();
  }

  void Put() {
    node_->Propose(api::PutRequest{.key = "a"}, MonotonicTime::max(),
                   [](const absl::StatusOr<api::WriteResult>& result) { EXPECT_TRUE(result.ok()) << result.status(); });
  }
  void RunFor(Duration time) { scheduler_.RunFor(time); }
  int64_t compacted() const { return state_machine_->view()->compacted().value; }
  uint64_t applied() const { return state_machine_->applied().value; }

 private:
  sim::Scheduler scheduler_{3};
  regent::testing::MemoryDisk disk_;
  Metrics metrics_;
  NullTransport transport_;
  std::unique_ptr<sim::SimulatedLoop> raft_loop_ = scheduler_.NewLoop("raft"), log_loop_ = scheduler_.NewLoop("log"),
                                      apply_loop_ = scheduler_.NewLoop("apply"),
                                      watch_loop_ = scheduler_.NewLoop("watch"),
                                      pool_ = scheduler_.NewLoop("pool", {.parallel = true});
  std::unique_ptr<storage::LogStore> log_;
  std::unique_ptr<storage::StateMachine> state_machine_;
  std::unique_ptr<Node> node_;
};

TEST(AutoCompaction, ANodeCompactsByTimeThroughItsLogOnce) {
  CompactingNode node({.period = 10min});
  for (int minute = 0; minute < 25; ++minute) {
    node.Put();
    node.RunFor(1min);
    const int64_t expected = minute < 8 ? 0 : 1;
    if (minute < 8 || minute == 12) {
      EXPECT_EQ(node.compacted(), expected) << "at minute " << minute;
    }
  }
  // The second one, ten minutes after the first, is at the revision of eleven minutes before it.
  EXPECT_GE(node.compacted(), 9);
  EXPECT_LE(node.compacted(), 12);
  EXPECT_EQ(node.applied(), 1u + 25u + 2u);  // the no-op, the puts, two compactions
}

TEST(AutoCompaction, ANodeCompactsByRevisions) {
  CompactingNode node({.revisions = 10});
  for (int i = 0; i < 30; ++i) node.Put();
  node.RunFor(11min);
  EXPECT_EQ(node.compacted(), 21);
  EXPECT_EQ(node.applied(), 1u + 30u + 1u);
}

TEST(AutoCompaction, WithoutAPolicyNothingIsCompacted) {
  CompactingNode node({});
  node.Put();
  node.RunFor(3h);
  EXPECT_EQ(node.compacted(), 0);
}

}  // namespace
}  // namespace regent::server
