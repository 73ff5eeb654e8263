// Automatic compaction: the planner against etcd's rules, and a node that follows it under virtual time.
#include "server/node/compaction_planner.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/virtual_node.h"

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
  explicit CompactingNode(CompactionPolicy policy) : node_(disk_, {.options = {.compaction = policy}}) {}

  void Put() {
    node_.node().Propose(
        api::PutRequest{.key = "a"}, MonotonicTime::max(),
        [](const absl::StatusOr<api::WriteResult>& result) { EXPECT_TRUE(result.ok()) << result.status(); });
  }
  void RunFor(Duration time) { node_.RunFor(time); }
  int64_t compacted() const { return node_.state_machine().view()->compacted().value; }
  uint64_t applied() const { return node_.state_machine().applied().value; }

 private:
  regent::testing::MemoryDisk disk_;
  VirtualNode node_;
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
