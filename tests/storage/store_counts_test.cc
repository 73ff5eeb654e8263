// The counted tree at scale, against a plain set; and readers beside a writer.
#include <algorithm>
#include <atomic>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "storage/keys.h"
#include "tests/storage/store_fixture.h"

namespace regent::storage {
namespace {

std::string Padded(uint64_t number) {
  std::string digits = std::to_string(number);
  return "/registry/pods/" + std::string(8 - digits.size(), '0') + digits;
}

std::vector<raft::Entry> PutsOf(uint64_t first_index, const std::vector<std::string>& keys) {
  std::vector<raft::Entry> entries;
  for (const std::string& key : keys) entries.push_back(Store::EntryOf(first_index++, api::PutRequest{.key = key}));
  return entries;
}

int64_t Between(const std::set<std::string>& keys, const std::string& from, const std::string& to) {
  return std::distance(keys.lower_bound(from), keys.lower_bound(to));
}

TEST(StoreCounts, EveryRangeCountsAsASetDoesThroughGrowthAndShrinking) {
  std::mt19937 random(5);
  Store store;
  std::set<std::string> keys;
  const auto check = [&] {
    ASSERT_EQ(store.Count(kFirstKey, kNoEnd), static_cast<int64_t>(keys.size()));
    for (int i = 0; i < 30; ++i) {
      const std::string from = Padded(random() % 30'000);
      const std::string to = Padded(random() % 30'000);
      ASSERT_EQ(store.Count(from, to), from < to ? Between(keys, from, to) : 0) << from << " " << to;
    }
  };
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> added;
    for (int i = 0; i < 400; ++i) added.push_back(Padded(random() % 30'000));
    keys.insert(added.begin(), added.end());
    store.ApplyTurn(PutsOf(store.machine().applied().value + 1, added));
    if (round % 4 == 3) {
      const std::string from = Padded(random() % 30'000);
      const std::string to = Padded(std::min<uint64_t>(random() % 30'000, 29'000));
      store.Delete(from, to);
      if (from < to) keys.erase(keys.lower_bound(from), keys.lower_bound(to));
    }
    check();
    if (round % 10 == 9) {
      ASSERT_TRUE(store.Compact(store.view()->revision().value).ok());
      store.PurgeAll();
      ASSERT_TRUE(store.machine().Flush().ok());
      store.Crash();
      check();
    }
  }
  store.Delete(kFirstKey, kNoEnd);
  keys.clear();
  check();
  ASSERT_TRUE(store.Compact(store.view()->revision().value).ok());
  store.PurgeAll();
  for (int i = 0; i < 20; ++i) store.Put("a", "");
  store.Delete("a");
  size_t buckets = 0;
  for (const auto& [row, value] : store.Rows()) buckets += row[0] == kCountRows ? 1 : 0;
  EXPECT_LT(buckets, 100u) << "empty buckets are merged";
}

// The readers' rule: whatever a view answers at its revision is exact, while the writer, the compaction and the purge
// go on. The writer keeps 100 keys alive at every revision.
TEST(StoreReaders, ViewsAnswerExactlyWhileTheStoreIsWrittenCompactedAndPurged) {
  Store store;
  for (int i = 0; i < 100; ++i) store.Put(Padded(static_cast<uint64_t>(i)), "0");
  std::atomic<bool> stop{false};
  std::atomic<int64_t> reads{0};
  std::atomic<int64_t> compacted_reads{0};
  const auto reader = [&](unsigned seed) {
    std::mt19937 random(seed);
    while (!stop.load()) {
      const std::shared_ptr<const View> view = store.machine().view();
      const int64_t back = static_cast<int64_t>(random() % 40);
      const int64_t revision = back == 0 ? 0 : std::max<int64_t>(view->revision().value - back, 101);
      api::RangeRequest request{.key = "/", .range_end = "0", .revision = {revision}};
      if (random() % 2 == 0) request.limit = 10;
      const auto range = view->Range(request);
      const auto events = view->Events("/", "0", {std::max<int64_t>(revision, 101)}, true, 20);
      if (!range.ok() || !events.ok()) {
        ++compacted_reads;
        continue;
      }
      ASSERT_EQ(range->count, 100) << "at " << revision << " by the view at " << view->revision().value;
      ASSERT_EQ(range->kvs.count(), request.limit > 0 ? 10 : 100);
      ++reads;
    }
  };
  std::vector<std::thread> readers;
  for (unsigned i = 0; i < 3; ++i) readers.emplace_back(reader, i);
  for (int i = 0; i < 3000; ++i) {
    const std::string old_key = Padded(static_cast<uint64_t>(i));
    const std::string new_key = Padded(static_cast<uint64_t>(i) + 100);
    ASSERT_TRUE(
        store.Txn({.success = {api::DeleteRangeRequest{.key = old_key}, api::PutRequest{.key = new_key, .value = "1"}}})
            .ok());
    if (i % 50 == 49) {
      ASSERT_TRUE(store.Compact(store.view()->revision().value - 20).ok());
      store.PurgeAll(7);
    }
  }
  stop = true;
  for (std::thread& thread : readers) thread.join();
  EXPECT_GT(reads.load(), 0);
}

}  // namespace
}  // namespace regent::storage
