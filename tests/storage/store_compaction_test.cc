// Compaction, the purge behind it, the logical size, and events read back.
#include <random>
#include <string>
#include <vector>

#include "api/contract/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/keys.h"
#include "tests/storage/store_fixture.h"

namespace regent::storage {
namespace {

using ::testing::ElementsAre;

TEST(StoreCompact, ARevisionAtOrBelowTheLastOneIsCompactedAndOneAheadIsTheFuture) {
  Store store;
  for (int i = 0; i < 4; ++i) store.Put("a", std::to_string(i));
  EXPECT_EQ(store.Compact(6), api::ErrFutureRevision());
  EXPECT_TRUE(store.Compact(3).ok());
  EXPECT_TRUE(store.outcome().compacted);
  EXPECT_EQ(store.Compact(3), api::ErrCompacted());
  EXPECT_FALSE(store.outcome().compacted);
  EXPECT_TRUE(store.Compact(5).ok());
  EXPECT_EQ(store.view()->compacted().value, 5);
}

// etcd starts with a compacted revision of -1, so once and only on a fresh store zero is above it.
TEST(StoreCompact, ZeroIsCompactedOnceOnAStoreThatNeverWas) {
  Store store;
  EXPECT_EQ(store.Compact(-1), api::ErrCompacted());
  EXPECT_TRUE(store.Compact(0).ok());
  EXPECT_EQ(store.Compact(0), api::ErrCompacted());
  EXPECT_EQ(store.view()->compacted().value, 0);
}

TEST(StoreCompact, TheCompactedRevisionItselfIsStillRead) {
  Store store;
  for (int i = 0; i < 4; ++i) store.Put("a", std::to_string(i));
  ASSERT_TRUE(store.Compact(4).ok());
  for (const bool purged : {false, true}) {
    if (purged) store.PurgeAll();
    EXPECT_EQ(store.Get("a", 4)->value, "2");
    EXPECT_EQ(store.Get("a", 5)->value, "3");
    EXPECT_EQ(store.RangeError({.key = "a", .revision = {3}}), api::ErrCompacted());
  }
}

TEST(StoreCompact, ItNeverChangesTheRevisionAndTheRevisionSurvivesACrashBehindIt) {
  Store store;
  store.Put("a", "1");
  store.Delete("a");
  ASSERT_TRUE(store.Compact(3).ok());
  store.PurgeAll();
  ASSERT_TRUE(store.machine().Flush().ok());
  store.Crash();
  EXPECT_EQ(store.view()->revision().value, 3);
  EXPECT_EQ(store.view()->logical_size(), 0);
  EXPECT_EQ(store.Put("b", ""), 4);
}

TEST(StoreCompact, AWatchFromTheCompactedRevisionStillSeesItsDelete) {
  Store store;
  store.Put("a", "1");
  store.Delete("a");
  store.Put("b", "1");
  ASSERT_TRUE(store.Compact(3).ok());
  store.PurgeAll();
  ASSERT_TRUE(store.machine().Flush().ok());
  store.Crash();
  const auto slice = store.view()->Events(kFirstKey, kNoEnd, {3}, true, 100);
  ASSERT_TRUE(slice.ok());
  ASSERT_EQ(slice->events->events.size(), 2u);
  EXPECT_EQ(slice->events->events[0].type, Event::Type::kDelete);
  EXPECT_EQ(slice->events->events[0].previous, std::nullopt) << "revision 2 is compacted";
  EXPECT_EQ(slice->next.value, 5);
  EXPECT_EQ(store.view()->Events("a", "", {2}, true, 100).status(), api::ErrCompacted());
}

TEST(StoreCompact, AnOldViewSaysCompactedAndANewerOneDoesNot) {
  Store store;
  store.Put("a", "1");
  const std::shared_ptr<const View> old = store.view();
  store.Put("a", "2");
  ASSERT_TRUE(store.Compact(3).ok());
  EXPECT_EQ(old->Range({.key = "a"}).status(), api::ErrCompacted());
  EXPECT_TRUE(store.view()->Range({.key = "a"}).ok());
}

// Random work, compactions and purges in slices of every size: after a full purge the size is what the rows weigh, and
// the size never depends on how far the purge is.
TEST(StorePurge, AfterAFullPurgeTheSizeIsWhatTheRowsWeigh) {
  for (const size_t slice : {1u, 2u, 3u, 7u, 1000u}) {
    std::mt19937 random(static_cast<unsigned>(slice));
    Store store;
    for (int round = 0; round < 30; ++round) {
      for (int i = 0; i < 20; ++i) {
        const std::string key(1, static_cast<char>('a' + random() % 12));
        switch (random() % 4) {
          case 0:
            store.Delete(key);
            break;
          case 1:
            store.Delete(key, std::string(1, static_cast<char>(key[0] + 3)));
            break;
          default:
            store.Put(key, std::string(random() % 50, 'x'));
        }
      }
      const int64_t size_before = store.view()->logical_size();
      if (round == 0) {
        EXPECT_EQ(size_before, WeightOfRows(store.Rows()));
      }
      const int64_t compacted = std::max<int64_t>(store.view()->compacted().value, 1);
      const int64_t revision = store.view()->revision().value;
      ASSERT_TRUE(store.Compact(compacted + 1 + static_cast<int64_t>(random()) % (revision - compacted)).ok());
      if (round % 3 == 0) {
        const auto plan = store.machine().PlanPurge(*store.view(), slice);
        if (plan.has_value()) store.machine().RunPurge(*plan);
        continue;
      }
      store.PurgeAll(slice);
      ASSERT_EQ(store.view()->logical_size(), WeightOfRows(store.Rows())) << "slice " << slice << " round " << round;
    }
  }
}

TEST(StorePurge, WhatItLeavesIsOnlyWhatReadsCanStillAskFor) {
  Store store;
  for (int i = 0; i < 10; ++i) store.Put("a", std::to_string(i));
  store.Delete("a");
  store.Put("b", "1");
  ASSERT_TRUE(store.Compact(store.view()->revision().value).ok());
  store.PurgeAll(3);
  int versions = 0;
  int events = 0;
  for (const auto& [row, value] : store.Rows()) {
    versions += row[0] == kVersionRows ? 1 : 0;
    events += row[0] == kEventRows ? 1 : 0;
  }
  EXPECT_EQ(versions, 1);
  EXPECT_EQ(events, 1) << "the events of the compacted revision stay";
}

TEST(StorePurge, APlanOfAReplacedEngineIsIgnored) {
  Store store;
  store.Put("a", "1");
  store.Put("a", "2");
  ASSERT_TRUE(store.Compact(3).ok());
  PurgePlan plan = *store.machine().PlanPurge(*store.view(), 100);
  ++plan.generation;
  store.machine().RunPurge(plan);
  EXPECT_TRUE(store.machine().PlanPurge(*store.view(), 100).has_value());
}

TEST(StoreEvents, APostedBatchCoversTheTurnInOrder) {
  Store store;
  const ApplyOutcome outcome = store.ApplyTurn({Store::EntryOf(1, api::PutRequest{.key = "a", .value = "1"}),
                                                Store::EntryOf(2, api::PutRequest{.key = "a", .value = "2"}),
                                                Store::EntryOf(3, api::DeleteRangeRequest{.key = "a"})});
  ASSERT_NE(outcome.events, nullptr);
  EXPECT_EQ(outcome.events->first.value, 2);
  EXPECT_EQ(outcome.events->last.value, 4);
  ASSERT_EQ(outcome.events->events.size(), 3u);
  EXPECT_TRUE(outcome.events->events[0].created);
  EXPECT_FALSE(outcome.events->events[1].created);
  EXPECT_FALSE(outcome.events->events[1].previous_known) << "nobody wanted it";
  EXPECT_EQ(DecodeKeyValue(outcome.events->events[2].rest), (KeyValue{"", 0, 4, 0, "", 0}));
}

TEST(StoreEvents, ThePreviousValueIsThatOfTheRevisionBefore) {
  Store store;
  store.wants_previous = [](std::string_view key) { return key == "a"; };
  const std::string large(5000, 'x');
  store.Put("a", large);
  store.Put("b", large);
  store.Put("b", "2");
  EXPECT_FALSE(store.outcome().events->events[0].previous_known);
  store.Put("a", "2");
  EXPECT_EQ(DecodeKeyValue(*store.outcome().events->events[0].previous).value, large);
  // In one revision a put and a delete: the previous value of both is the one before the revision.
  ASSERT_TRUE(store
                  .Txn({.success = {api::PutRequest{.key = "a", .value = "3"},
                                    api::DeleteRangeRequest{.key = "a", .range_end = kNoEnd}}})
                  .ok());
  const auto& events = store.outcome().events->events;
  EXPECT_EQ(DecodeKeyValue(*events[0].previous).value, "2");
  EXPECT_EQ(DecodeKeyValue(*events[1].previous).value, "2");
  const auto slice = store.view()->Events("a", "", {6}, true, 100);
  EXPECT_EQ(DecodeKeyValue(*slice->events->events[1].previous).value, "2");
}

TEST(StoreEvents, ARevisionWithTooManyEventsIsNotPosted) {
  Store store(StateMachineOptions{.posted_events_max = 10});
  for (int i = 0; i < 11; ++i) store.Put("k" + std::to_string(i), "");
  store.Delete("k", "l");
  EXPECT_TRUE(store.outcome().events->too_large);
  EXPECT_TRUE(store.outcome().events->events.empty());
  EXPECT_EQ(store.view()->Events("k", "l", {13}, false, 1)->events->events.size(), 11u) << "whole revisions";
}

TEST(StoreEvents, SlicesAreWholeRevisionsAndGoOnWhereTheyEnded) {
  Store store;
  for (int i = 0; i < 20; ++i) store.Put(i % 2 == 0 ? "a" : "b", std::to_string(i));
  std::vector<int64_t> revisions;
  int64_t next = 2;
  while (next <= store.view()->revision().value) {
    const auto slice = store.view()->Events("a", "", {next}, true, 3);
    ASSERT_TRUE(slice.ok());
    ASSERT_GT(slice->next.value, next);
    if (slice->events != nullptr) {
      for (const Event& event : slice->events->events) revisions.push_back(event.revision.value);
    }
    next = slice->next.value;
  }
  EXPECT_THAT(revisions, ElementsAre(2, 4, 6, 8, 10, 12, 14, 16, 18, 20));
}

}  // namespace
}  // namespace regent::storage
