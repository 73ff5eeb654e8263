#include "server/node/watch_hub.h"

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "api/contract/wire.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/ticking_loop.h"
#include "tests/server/watch_hub_fixture.h"

namespace regent::server {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(WatchHubTest, ALiveWatcherGetsItsEventsWithTheirRevision) {
  Start({});
  Open();
  EXPECT_THAT(Create({.key = "a"}), ElementsAre("0: created @1"));
  Put("a");
  Put("b");
  Delete("a");
  EXPECT_THAT(sink->Take(), ElementsAre("0: a=2 @2", "0: -a=4 @4"));
}

TEST_F(WatchHubTest, WhatWasPublishedBeforeOneDeliveryComesInOneMessage) {
  Start({});
  Open();
  Create({.key = "a", .range_end = "b"});
  Publish({{.key = "a"}, {.key = "aa"}});
  Publish({{.key = "c"}});
  Publish({{.key = "ab"}});
  EXPECT_THAT(Run(), ElementsAre("0: a=2 aa=2 ab=4 @4"));
}

TEST_F(WatchHubTest, AutomaticIdsBeginAtZeroAndSkipTheOnesInUse) {
  Start({});
  Open();
  EXPECT_THAT(Create({.watch_id = 1, .key = "a"}), ElementsAre("1: created @1"));
  EXPECT_THAT(Create({.key = "a"}), ElementsAre("0: created @1"));
  EXPECT_THAT(Create({.key = "a"}), ElementsAre("2: created @1"));
}

TEST_F(WatchHubTest, ADuplicateIdAnEmptyRangeAndANegativeStartAreRefusedWithEtcdsWords) {
  Start({});
  Open();
  Create({.watch_id = 7, .key = "a"});
  EXPECT_THAT(Create({.watch_id = 7, .key = "b"}),
              ElementsAre("-1: created canceled (mvcc: duplicate watch ID provided on the WatchStream) @1"));
  EXPECT_THAT(Create({.key = "b", .range_end = "a"}),
              ElementsAre("-1: created canceled (mvcc: watcher range is empty) @1"));
  EXPECT_THAT(Create({.key = "b", .range_end = "b"}),
              ElementsAre("-1: created canceled (mvcc: watcher range is empty) @1"));
  EXPECT_THAT(Create({.key = "b", .start_revision = {-1}}),
              ElementsAre("-1: created canceled (etcdserver: mvcc: required revision has been compacted) @1"));
}

TEST_F(WatchHubTest, AnEmptyKeyMeansTheFirstKeyAndAZeroByteAsRangeEndMeansNoEnd) {
  Start({});
  Open();
  Create({.key = "", .range_end = std::string(1, '\0')});
  Create({.key = "b", .range_end = std::string(1, '\0')});
  Put("a");
  Put("x");
  EXPECT_THAT(sink->Take(), ElementsAre("0: a=2 @2", "0: x=3 @3", "1: x=3 @3"));
}

TEST_F(WatchHubTest, CancelAnswersForALiveIdAndIsSilentForAnUnknownOne) {
  Start({});
  Open();
  Create({.key = "a"});
  stream->Cancel(5);
  EXPECT_THAT(Run(), IsEmpty());
  stream->Cancel(0);
  EXPECT_THAT(Run(), ElementsAre("0: canceled @1"));
  Put("a");
  EXPECT_THAT(sink->Take(), IsEmpty());
}

TEST_F(WatchHubTest, AWatcherFromAnOldRevisionGetsTheHistoryAndThenWhatIsNew) {
  for (int i = 0; i < 300; ++i) store.Apply({{.key = i % 3 == 0 ? "a" : "b"}}, [](std::string_view) { return true; });
  Start({});
  Open();
  EXPECT_THAT(Create({.key = "a", .start_revision = {290}}),
              ElementsAre("0: created @301", "0: a=290 a=293 a=296 a=299 @301"));
  Put("a");
  EXPECT_THAT(sink->Take(), ElementsAre("0: a=302 @302"));
}

TEST_F(WatchHubTest, AStartBelowTheCompactedRevisionIsCreatedAndThenCancelledAtItIsServed) {
  for (int i = 0; i < 5; ++i) store.Apply({{.key = "a"}}, [](std::string_view) { return true; });
  store.Compact(4);
  Start({});
  Open();
  EXPECT_THAT(Create({.key = "a", .start_revision = {3}}), ElementsAre("0: created @6", "0: canceled compacted=4 @0"));
  EXPECT_THAT(Create({.key = "a", .start_revision = {4}}), ElementsAre("1: created @6", "1: a=4 a=5 a=6 @6"));
}

TEST_F(WatchHubTest, AFutureStartBringsNeitherEarlierEventsNorProgress) {
  Start({.progress_interval = 1s});
  Open();
  Create({.key = "a", .start_revision = {4}, .progress_notify = true});
  Put("a");
  Put("a");
  stream->RequestProgress();
  scheduler->RunFor(3s);
  EXPECT_THAT(sink->Take(), IsEmpty());
  Put("a");
  EXPECT_THAT(sink->Take(), ElementsAre("0: a=4 @4"));
  stream->RequestProgress();
  EXPECT_THAT(Run(), ElementsAre("-1: @4"));
}

TEST_F(WatchHubTest, FiltersDropEventsAndMessagesWithoutEventsAreNotSent) {
  Start({});
  Open();
  Create({.key = "a", .no_put = true});
  Create({.key = "a", .no_delete = true});
  Put("a");
  Delete("a");
  EXPECT_THAT(sink->Take(), ElementsAre("1: a=2 @2", "0: -a=3 @3"));
}

TEST_F(WatchHubTest, PreviousValuesComeWithUpdatesAndDeletesButNotWithCreations) {
  Start({});
  Open();
  Create({.key = "a", .prev_kv = true});
  Create({.key = "a"});
  Put("a", "one");
  Put("a", "two");
  Delete("a");
  EXPECT_THAT(sink->Take(),
              ElementsAre("0: a=2 @2", "1: a=2 @2", "0: a=3(one) @3", "1: a=3 @3", "0: -a=4(two) @4", "1: -a=4 @4"));
}

TEST_F(WatchHubTest, APreviousValueBelowTheCompactedRevisionIsLeftOutOfRecentEventsToo) {
  Start({});
  Open();
  Create({.key = "a", .prev_kv = true});
  for (const char* value : {"one", "two", "three", "four"}) Put("a", value);
  sink->Take();
  store.Compact(4);
  hub->Publish(nullptr, store.view());
  EXPECT_THAT(Create({.key = "a", .start_revision = {4}, .prev_kv = true}),
              ElementsAre("1: created @5", "1: a=4 a=5(three) @5"));
}

TEST_F(WatchHubTest, AnEventWhosePreviousValueApplyDidNotKnowIsReadFromTheHistory) {
  Start({});
  Open();
  Put("a", "one");
  auto batch = store.Apply({{.key = "a", .value = "two"}}, [](std::string_view) { return false; });
  Create({.key = "a", .prev_kv = true});
  hub->Publish(std::move(batch), store.view());
  EXPECT_THAT(Run(), ElementsAre("0: a=3(one) @3"));
  Put("a", "three");
  EXPECT_THAT(sink->Take(), ElementsAre("0: a=4(two) @4"));
}

TEST_F(WatchHubTest, ARevisionIsNeverSplitAndMessagesSayWhetherTheSinkMaySplitThem) {
  Start({.message_bytes_max = 10});
  Open();
  Create({.key = "a", .range_end = "z"});
  Create({.key = "a", .range_end = "z", .fragment = true});
  Publish({{.key = "b"}, {.key = "c"}, {.key = "d"}, {.key = "e"}});
  Publish({{.key = "f"}});
  EXPECT_THAT(Run(), ElementsAre("0: b=2 c=2 d=2 e=2 @2", "1: b=2 c=2 d=2 e=2 ... @2", "0: f=3 @3", "1: f=3 ... @3"));
}

TEST_F(WatchHubTest, AFullSinkIsLeftAloneAndServedFromTheHistoryAfterItDrained) {
  Start({.sink_bytes_max = 10, .recent_events_max = 1});
  Open();
  Create({.key = "a"});
  Put("a");
  EXPECT_THAT(sink->Take(), ElementsAre("0: a=2 @2"));
  for (int i = 0; i < 5; ++i) Put("a");
  EXPECT_THAT(sink->Take(), IsEmpty());
  stream->RequestProgress();
  EXPECT_THAT(Run(), IsEmpty());
  sink->unsent = 0;
  stream->Drained();
  EXPECT_THAT(Run(), ElementsAre("0: a=3 a=4 a=5 a=6 a=7 @7"));
  EXPECT_EQ(store.reads(), 1);
}

TEST_F(WatchHubTest, ASlowWatcherThatFellBelowACompactionIsCancelledAndNeverSkips) {
  Start({.sink_bytes_max = 10, .recent_events_max = 1});
  Open();
  Create({.key = "a"});
  for (int i = 0; i < 5; ++i) Put("a");
  sink->Take();
  store.Compact(5);
  sink->unsent = 0;
  stream->Drained();
  EXPECT_THAT(Run(), ElementsAre("0: canceled compacted=5 @0"));
}

TEST_F(WatchHubTest, ARevisionTooLargeToBePostedIsReadFromTheHistory) {
  Start({});
  Open();
  Create({.key = "a"});
  store.Apply({{.key = "a"}, {.key = "b"}}, [](std::string_view) { return true; });
  auto batch = std::make_shared<storage::EventBatch>();
  batch->first = batch->last = {2};
  batch->too_large = true;
  hub->Publish(batch, store.view());
  EXPECT_THAT(Run(), ElementsAre("0: a=2 @2"));
}

TEST_F(WatchHubTest, ProgressOnRequestNeedsEveryWatcherOfTheStreamLiveAndAtLeastOne) {
  Start({.recent_events_max = 0});
  Open();
  stream->RequestProgress();
  EXPECT_THAT(Run(), IsEmpty());
  Put("a");
  Create({.key = "b"});
  stream->RequestProgress();
  EXPECT_THAT(Run(), ElementsAre("-1: @2"));
  stream->Create({.key = "a", .start_revision = {2}});
  stream->RequestProgress();
  const std::vector<std::string> got = Run();
  EXPECT_THAT(got, ElementsAre("1: created @2", "1: a=2 @2"));
  stream->RequestProgress();
  EXPECT_THAT(Run(), ElementsAre("-1: @2"));
}

TEST_F(WatchHubTest, PeriodicProgressComesOnlyForQuietWatchersThatAskedForIt) {
  Start({.progress_interval = 1s});
  Open();
  Create({.key = "a", .progress_notify = true});
  Create({.key = "b"});
  scheduler->RunFor(1200ms);
  EXPECT_THAT(sink->Take(), ElementsAre("0: @1"));
  Put("a");
  sink->Take();
  scheduler->RunFor(1100ms);
  EXPECT_THAT(sink->Take(), IsEmpty());
  scheduler->RunFor(1100ms);
  EXPECT_THAT(sink->Take(), ElementsAre("0: @2"));
}

TEST_F(WatchHubTest, RequestsBeforeTheNodeServesWaitAndThenRunInOrder) {
  scheduler = std::make_unique<sim::Scheduler>(1);
  loop = scheduler->NewLoop("watch");
  pool = scheduler->NewLoop("pool", {.parallel = true});
  hub = std::make_unique<WatchHub>(*loop, *pool, WatchOptions{}, 1, metrics, NodeMutants{});
  hub->Start(store.view());
  Open();
  stream->Create({.key = "a"});
  EXPECT_THAT(Run(), IsEmpty());
  Put("a");
  loop->Post([&] { hub->Serve(); });
  EXPECT_THAT(Run(), ElementsAre("0: created @2"));
}

// The pool would otherwise read history without end beside those who write.
TEST_F(WatchHubTest, AfterACatchUpReadTheNextOneWaitsAsLongAsItTook) {
  Start({});
  const Duration took = std::chrono::milliseconds(30);
  TickingLoop slow_pool(*pool, took);
  hub = std::make_unique<WatchHub>(*loop, slow_pool, WatchOptions{.recent_events_max = 0}, 1, metrics, NodeMutants{});
  for (const char* key : {"a", "b", "c"})
    store.Apply({{.key = key, .value = "v"}}, [](std::string_view) { return true; });
  hub->Start(store.view());
  hub->Serve();
  Open();
  std::vector<MonotonicTime> came;
  for (const char* key : {"a", "b", "c"}) stream->Create({.key = key, .start_revision = {1}});
  EXPECT_EQ(Run().size(), 4u);  // three creations and the first read
  for (int events = 1; events < 3; ++events) {
    scheduler->RunFor(took * 9 / 10);
    EXPECT_TRUE(Run().empty());
    scheduler->RunFor(took / 5);
    EXPECT_EQ(Run().size(), 1u);
    scheduler->RunFor(Duration::zero());
  }
}

TEST_F(WatchHubTest, EachMessageIsCountedWithTheTimeThatSendingItTook) {
  const auto count = [](const Histogram& histogram) {
    uint64_t times = 0;
    for (size_t i = 0; i <= histogram.upper_bounds().size(); ++i) times += histogram.bucket(i);
    return times;
  };
  Start({.recent_events_max = 0});
  Open();
  Create({.watch_id = 1, .key = "a"});
  Create({.watch_id = 2, .key = "a"});
  Put("a");
  Publish({{.key = "a", .value = "1"}});
  Publish({{.key = "a", .value = "2"}});
  Run();                                                       // both in one message
  Create({.watch_id = 3, .key = "a", .start_revision = {1}});  // three events from the history
  stream->RequestProgress();
  stream->Cancel(1);
  stream->Cancel(77);
  Run();
  EXPECT_EQ(count(metrics.debugging_server_watch_send_loop_control_stream_duration_seconds), 4u);
  EXPECT_EQ(count(metrics.debugging_server_watch_send_loop_watch_stream_duration_seconds), 5u);
  EXPECT_EQ(count(metrics.debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds), 5u);
  EXPECT_EQ(count(metrics.debugging_server_watch_send_loop_progress_duration_seconds), 1u);
  EXPECT_EQ(metrics.debugging_mvcc_events_total.value(), 9u);
}

TEST_F(WatchHubTest, ClosingAStreamAndFinishingTheHubBringTheGaugesBackToZero) {
  Start({});
  Open();
  Create({.key = "a", .prev_kv = true});
  EXPECT_EQ(metrics.debugging_mvcc_watcher_total.value(), 1);
  EXPECT_TRUE(hub->wanted()->Contains("a"));
  stream = nullptr;
  Run();
  EXPECT_EQ(metrics.debugging_mvcc_watcher_total.value(), 0);
  EXPECT_EQ(metrics.debugging_mvcc_watch_stream_total.value(), 0);
  EXPECT_FALSE(hub->wanted()->Contains("a"));
  Open();
  Create({.key = "a"});
  loop->Post([&] { hub->Finish(api::ErrStopped()); });
  Run();
  EXPECT_EQ(sink->finished, api::ErrStopped());
  EXPECT_EQ(metrics.debugging_mvcc_watch_stream_total.value(), 0);
}

}  // namespace
}  // namespace regent::server
