// The hub against a model of one sentence: a watcher receives exactly the events of its range from its start on, in
// order, whole revisions, whatever fills up, falls behind, or is compacted meanwhile; and progress is never ahead.
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "api/contract/wire.h"
#include "gtest/gtest.h"
#include "server/node/watch_hub.h"
#include "tests/server/watch_fake_store.h"
#include "tests/sim/scheduler.h"

namespace regent::server {
namespace {

struct Expectation {
  WatchInterest interest;
  int64_t start = 0;
  size_t position = 0;  // in the store's events: everything before was received, or is not wanted
  bool created = false;
  bool cancelled = false;
};

struct Counters {
  int events = 0, progress = 0, compacted = 0, reads = 0, full = 0;
};

class ModelSink final : public api::WatchSink {
 public:
  ModelSink(FakeStore& store, std::map<int64_t, Expectation>& watchers, Counters& counters)
      : store_(store), watchers_(watchers), counters_(counters) {}

  void Send(api::WatchMessage message) override {
    if (message.watch_id == -1) return Progress(message.revision.value);
    Expectation& watcher = watchers_.at(message.watch_id);
    if (message.created) {
      watcher.created = true;
      if (watcher.start == 0) watcher.start = message.revision.value + 1;
      return Skip(watcher);
    }
    if (message.canceled) {
      watcher.cancelled = true;
      if (message.compact_revision.value == 0) return;
      ++counters_.compacted;
      EXPECT_EQ(message.compact_revision.value, store_.compacted());
      // A gap would be a cancel too late; a cancel without need is one of a watcher that has all it wants.
      EXPECT_LT(NextWanted(watcher), store_.compacted());
      return;
    }
    for (const api::SharedBytes& bytes : message.events) {
      unsent_ += bytes->size();
      ++counters_.events;
      Skip(watcher);
      ASSERT_LT(watcher.position, store_.events().size()) << "an event that never happened";
      const storage::Event& event = store_.events()[watcher.position++];
      EXPECT_LE(event.revision, message.revision);
      // Of a compacted revision the previous value may be missing: recent events leave it out, the fake store has it.
      const bool may_lack = event.revision.value <= store_.compacted() && *bytes == *EncodeEvent(event, false);
      EXPECT_EQ(*bytes, *EncodeEvent(event, watcher.interest.prev_kv && !may_lack));
    }
    ASSERT_GT(message.events.size(), 0u);
    const api::Revision last = store_.events()[watcher.position - 1].revision;
    Skip(watcher);
    if (watcher.position < store_.events().size()) {
      EXPECT_GT(store_.events()[watcher.position].revision, last) << "a revision was split";
    }
  }
  size_t unsent_bytes() const override { return unsent_; }
  void Finish(absl::Status) override {}
  void Drain() { unsent_ = 0; }

  // To the next event that the watcher wants.
  void Skip(Expectation& watcher) const {
    for (; watcher.position < store_.events().size(); ++watcher.position) {
      const storage::Event& event = store_.events()[watcher.position];
      if (event.revision.value >= watcher.start && watcher.interest.Wants(event) &&
          watcher.interest.Covers(event.key)) {
        return;
      }
    }
  }
  int64_t NextWanted(Expectation& watcher) const {
    Skip(watcher);
    return watcher.position < store_.events().size() ? watcher.start : 0;
  }

 private:
  void Progress(int64_t revision) {
    ++counters_.progress;
    for (auto& [id, watcher] : watchers_) {
      if (!watcher.created || watcher.cancelled) continue;
      EXPECT_LE(watcher.start, revision + 1);
      Skip(watcher);
      if (watcher.position < store_.events().size()) {
        EXPECT_GT(store_.events()[watcher.position].revision.value, revision) << "progress ahead of an event";
      }
    }
  }

  FakeStore& store_;
  std::map<int64_t, Expectation>& watchers_;
  Counters& counters_;
  size_t unsent_ = 0;
};

class ModelRun {
 public:
  ModelRun(uint64_t seed, Counters& counters) : random_(seed), scheduler_(seed), counters_(counters) {
    const WatchOptions options{.sink_bytes_max = 300,
                               .message_bytes_max = 100,
                               .recent_events_max = random_() % 3 == 0 ? 0u : 20u,
                               .slice_rows_min = 1,
                               .slice_rows_max = 8,
                               .slice_bytes_max = 200};
    loop_ = scheduler_.NewLoop("watch");
    pool_ = scheduler_.NewLoop("pool", {.parallel = true});
    hub_ = std::make_unique<WatchHub>(*loop_, *pool_, options, seed, metrics_, NodeMutants{});
    hub_->Start(store_.view());
    hub_->Serve();
    sink_ = std::make_shared<ModelSink>(store_, watchers_, counters_);
    stream_ = hub_->OpenStream(sink_);
  }

  void Run() {
    for (int step = 0; step < 1500 && !::testing::Test::HasFailure(); ++step) {
      Act();
      for (uint64_t i = random_() % 4; i > 0; --i) scheduler_.Step(scheduler_.now());
    }
    for (int i = 0; i < 500; ++i) {
      sink_->Drain();
      stream_->Drained();
      scheduler_.RunReady();
    }
    for (auto& [id, watcher] : watchers_) {
      sink_->Skip(watcher);
      EXPECT_TRUE(watcher.cancelled || watcher.position == store_.events().size())
          << "watcher " << id << " missed events";
    }
    counters_.reads += store_.reads();
    stream_ = nullptr;
    scheduler_.RunReady();
    loop_->Kill();
    pool_->Kill();
  }

 private:
  std::string Key() { return std::string(1, static_cast<char>('a' + random_() % 6)); }

  void Act() {
    switch (random_() % 12) {
      case 0:
        return Create();
      case 1:
        if (random_() % 8 != 0) return;
        stream_->Cancel(static_cast<int64_t>(random_() % 100 + 1));
        return;
      case 2:
        return stream_->RequestProgress();
      case 3:
      case 4:
        counters_.full += sink_->unsent_bytes() > 300 ? 1 : 0;
        sink_->Drain();
        return stream_->Drained();
      case 5:
        // The compacted revision counts at once for every view, as the store's does.
        if (random_() % 10 == 0) store_.Compact(store_.revision() - static_cast<int64_t>(random_() % 10));
        return;
      default:
        return Publish();
    }
  }

  void Create() {
    if (watchers_.size() >= 60) return;
    const int64_t id = static_cast<int64_t>(watchers_.size()) + 1;
    Expectation watcher;
    watcher.interest = {.key = Key(),
                        .range_end = random_() % 2 == 0 ? "" : std::string(api::kFromKey),
                        .prev_kv = random_() % 2 == 0,
                        .no_put = random_() % 8 == 0,
                        .no_delete = random_() % 8 == 0};
    if (random_() % 2 == 0)
      watcher.start = std::max<int64_t>(1, store_.revision() + 5 - static_cast<int64_t>(random_() % 40));
    watchers_[id] = watcher;
    stream_->Create({.watch_id = id,
                     .key = watcher.interest.key,
                     .range_end = watcher.interest.range_end,
                     .start_revision = {watcher.start},
                     .prev_kv = watcher.interest.prev_kv,
                     .no_put = watcher.interest.no_put,
                     .no_delete = watcher.interest.no_delete});
  }

  void Publish() {
    std::vector<FakeStore::Change> changes;
    for (uint64_t i = random_() % 3 + 1; i > 0; --i) {
      changes.push_back({.put = random_() % 3 != 0, .key = Key(), .value = std::to_string(random_() % 1000)});
    }
    const auto wanted = hub_->wanted();
    auto batch = store_.Apply(changes, [&](std::string_view key) { return wanted->Contains(key); });
    if (batch == nullptr) return;
    if (random_() % 20 == 0) {
      auto large = std::make_shared<storage::EventBatch>();
      large->first = large->last = batch->first;
      large->too_large = true;
      batch = std::move(large);
    }
    hub_->Publish(std::move(batch), store_.view());
  }

  std::mt19937_64 random_;
  sim::Scheduler scheduler_;
  Counters& counters_;
  FakeStore store_;
  Metrics metrics_;
  std::map<int64_t, Expectation> watchers_;
  std::unique_ptr<sim::SimulatedLoop> loop_, pool_;
  std::unique_ptr<WatchHub> hub_;
  std::shared_ptr<ModelSink> sink_;
  std::unique_ptr<api::WatchStream> stream_;
};

TEST(WatchModel, EveryWatcherReceivesExactlyWhatItAskedForUnderAnySchedule) {
  Counters counters;
  for (uint64_t seed = 1; seed <= 150 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ModelRun(seed, counters).Run();
  }
  EXPECT_GT(counters.events, 10'000);
  EXPECT_GT(counters.progress, 100);
  EXPECT_GT(counters.compacted, 100);
  EXPECT_GT(counters.reads, 1'000);
  EXPECT_GT(counters.full, 100);
}

}  // namespace
}  // namespace regent::server
