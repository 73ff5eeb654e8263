// Bugs of other watch implementations, on the hub alone. tests/regress/table says which bug each number is.
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstdlib>
#include <map>
#include <new>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "tests/regress/planted_bug.h"
#include "tests/server/watch_hub_fixture.h"

namespace {

// What is allocated now in this process, and the most since it was last set back.
std::atomic<size_t> bytes_now{0}, bytes_most{0};

}  // namespace

void* operator new(size_t size) {
  void* const memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  const size_t now = bytes_now += malloc_usable_size(memory);
  size_t most = bytes_most;
  while (most < now && !bytes_most.compare_exchange_weak(most, now)) {
  }
  return memory;
}
void operator delete(void* memory) noexcept {
  bytes_now -= malloc_usable_size(memory);
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept { operator delete(memory); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return operator new(size); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { operator delete(memory); }

namespace regent::server {
namespace {

NodeMutants Planted() {
  const std::string bug = regress::PlantedBug();
  return {.leak_watchers_behind = bug == "leak_watchers_behind", .private_event_copies = bug == "private_event_copies"};
}

// Answers to creates, by kind; everything else is read and forgotten.
class CountingSink final : public api::WatchSink {
 public:
  void Send(api::WatchMessage message) override {
    if (message.created && message.canceled) {
      ++rejected;
      EXPECT_EQ(message.watch_id, -1);
    } else if (message.created) {
      ++created;
      EXPECT_TRUE(ids.insert(message.watch_id).second) << "an id in use";
    } else if (message.canceled) {
      EXPECT_EQ(ids.erase(message.watch_id), 1u) << "cancel of nobody";
    }
    for (const api::SharedBytes& bytes : message.events) unsent += bytes->size();
  }
  size_t unsent_bytes() const override { return unsent; }
  void Finish(absl::Status) override {}

  std::set<int64_t> ids;
  int created = 0, rejected = 0;
  size_t unsent = 0;
};

class WatchRegression : public WatchHubTest {
 protected:
  struct Stream {
    std::shared_ptr<CountingSink> sink = std::make_shared<CountingSink>();
    std::unique_ptr<api::WatchStream> stream;
    int asked = 0;
  };

  Stream OpenStream() {
    Stream opened;
    opened.stream = hub->OpenStream(opened.sink);
    return opened;
  }
  void ExpectNobodyIsLeft() {
    EXPECT_EQ(metrics.debugging_mvcc_watch_stream_total.value(), 0) << "watch_stream_total";
    EXPECT_EQ(metrics.debugging_mvcc_watcher_total.value(), 0) << "watcher_total";
    EXPECT_EQ(metrics.debugging_mvcc_slow_watcher_total.value(), 0) << "slow_watcher_total";
    EXPECT_FALSE(hub->wanted()->Contains("a")) << "keys are looked up for nobody";
  }
};

// Requests in any order with ids and revisions at the edges, streams that close at any moment: every create is answered
// once, ids are never shared, and in the end the gauges are at zero.
TEST_F(WatchRegression, RK26_EdgeIdsAndClosesAtAnyMomentLeaveNothingBehind) {
  Start({.sink_bytes_max = 200, .message_bytes_max = 100, .recent_events_max = 20, .slice_rows_min = 1}, 26, Planted());
  std::mt19937_64 random(26);
  const int64_t ids[] = {0, 0, 0, -1, 1, 2, 3, INT64_MIN, INT64_MAX};
  const auto start = [&] {
    const int64_t now = store.revision();
    const int64_t starts[] = {0, -1, 1, now, now - 5, now + 1, now + 5, INT64_MIN, INT64_MAX};
    return starts[random() % std::size(starts)];
  };
  std::vector<Stream> streams;
  int created = 0, rejected = 0, closed_early = 0;
  for (int step = 0; step < 20'000 && !HasFailure(); ++step) {
    if (streams.size() < 4) streams.push_back(OpenStream());
    Stream& one = streams[random() % streams.size()];
    switch (random() % 10) {
      case 0:
      case 1:
      case 2:
        ++one.asked;
        one.stream->Create({.watch_id = ids[random() % std::size(ids)],
                            .key = std::string(1, static_cast<char>('a' + random() % 3)),
                            .range_end = random() % 3 == 0 ? "a" : "",  // at times an empty range
                            .start_revision = {start()},
                            .progress_notify = random() % 2 == 0,
                            .prev_kv = random() % 2 == 0});
        break;
      case 3:
        one.stream->Cancel(ids[random() % std::size(ids)]);
        break;
      case 4:
        one.stream->RequestProgress();
        break;
      case 5:
        one.sink->unsent = 0;
        one.stream->Drained();
        break;
      case 6:
        if (random() % 10 != 0) break;
        scheduler->RunReady();
        EXPECT_EQ(one.sink->created + one.sink->rejected, one.asked) << "a create without an answer";
        created += one.sink->created, rejected += one.sink->rejected;
        [[fallthrough]];
      case 7:
        if (random() % 10 != 0) break;
        ++closed_early;
        std::swap(one, streams.back());
        streams.pop_back();  // whatever of it is still under way
        break;
      default:
        Publish({{.key = std::string(1, static_cast<char>('a' + random() % 3)), .value = std::to_string(step)}});
    }
    for (uint64_t left = random() % 4; left > 0; --left) scheduler->Step(scheduler->now());
  }
  EXPECT_GT(created, 500);
  EXPECT_GT(rejected, 300);
  EXPECT_GT(closed_early, 100);
  streams.clear();
  scheduler->RunFor(std::chrono::seconds(1));
  ExpectNobodyIsLeft();
}

// Ten thousand streams fall behind together and catch up together: they share the events, none has its own.
class WatchStarvation : public WatchRegression {
 protected:
  static constexpr int kStreams = 10'000;
  static constexpr int kEvents = 20;
  static constexpr size_t kValueBytes = 3 * 1024;
  // As many private copies would be 600 MiB.
  static constexpr size_t kBytesMax = 100 << 20;

  // Keeps what it is sent, as the queue to a client does that does not read.
  class KeepingSink final : public api::WatchSink {
   public:
    void Send(api::WatchMessage message) override {
      events += static_cast<int>(message.events.size());
      messages.push_back(std::move(message));
    }
    size_t unsent_bytes() const override { return full ? SIZE_MAX : 0; }
    void Finish(absl::Status) override {}
    std::vector<api::WatchMessage> messages;
    int events = 0;
    bool full = false;
  };

  void OpenAll(int64_t start_revision) {
    for (int i = 0; i < kStreams; ++i) {
      sinks_.push_back(std::make_shared<KeepingSink>());
      streams_.push_back(hub->OpenStream(sinks_.back()));
      streams_.back()->Create({.key = "k", .range_end = "l", .start_revision = {start_revision}});
      if (i % 2 == 0) scheduler->RunReady();  // some come together, some when others have caught up
    }
  }
  void PublishAll() {
    for (int i = 0; i < kEvents; ++i) {
      Publish({{.key = "k" + std::to_string(i), .value = std::string(kValueBytes, 'v')}});
      scheduler->RunReady();
    }
  }
  void ExpectAllArrived() {
    for (const auto& one : sinks_) ASSERT_EQ(one->events, kEvents);
  }
  void TearDown() override {
    streams_.clear();
    WatchRegression::TearDown();
  }

  std::vector<std::shared_ptr<KeepingSink>> sinks_;
  std::vector<std::unique_ptr<api::WatchStream>> streams_;
};

TEST_F(WatchStarvation, RK28_WatchersThatFellBehindShareTheEvents) {
  Start({}, 28, Planted());
  OpenAll(0);
  scheduler->RunReady();
  for (const auto& one : sinks_) one->full = true;
  PublishAll();
  ASSERT_EQ(metrics.debugging_mvcc_slow_watcher_total.value(), kStreams) << "not all of them are behind";
  const size_t before = bytes_now;
  bytes_most = before;
  for (int i = 0; i < kStreams; ++i) {
    sinks_[static_cast<size_t>(i)]->full = false;
    streams_[static_cast<size_t>(i)]->Drained();
  }
  scheduler->RunReady();
  ExpectAllArrived();
  const size_t most = bytes_most - before;
  RecordProperty("bytes", std::to_string(most));
  std::printf("%d streams behind by %d events of 3 KiB: %zu bytes\n", kStreams, kEvents, most);
  EXPECT_LT(most, kBytesMax) << "bytes for watchers that catch up";
}

TEST_F(WatchStarvation, RK28_WatchersFromOldRevisionsShareWhatIsReadForThem) {
  Start({.recent_events_max = 1}, 28, Planted());
  PublishAll();
  const size_t before = bytes_now;
  bytes_most = before;
  OpenAll(1);
  scheduler->RunReady();
  ExpectAllArrived();
  const size_t most = bytes_most - before;
  std::printf("%d streams from an old revision, %d events of 3 KiB: %zu bytes\n", kStreams, kEvents, most);
  EXPECT_LT(most, kBytesMax) << "bytes for watchers that catch up";
}

}  // namespace
}  // namespace regent::server
