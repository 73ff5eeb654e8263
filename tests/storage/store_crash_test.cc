// A crash may come at every batch: what is replayed must lead to the rows, the size, the counts and the digest of a run
// that never crashed.
#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "storage/keys.h"
#include "tests/storage/store_fixture.h"

namespace regent::storage {
namespace {

std::string KeyOf(std::mt19937& random) { return "k" + std::to_string(random() % 60); }

api::WriteRequest RandomRequest(std::mt19937& random, int64_t revisions_about) {
  const std::string key = KeyOf(random);
  switch (random() % 10) {
    case 0:
      return api::DeleteRangeRequest{.key = key, .range_end = KeyOf(random)};
    case 1:
      return api::DeleteRangeRequest{.key = key};
    case 2:
      return api::LeaseGrantRequest{.id = {static_cast<int64_t>(random() % 4) + 1}, .ttl = 10};
    case 3:
      if (random() % 2 == 0)
        return api::LeaseExpiryRequest{.ids = {{2}, {static_cast<int64_t>(random() % 4) + 1}, {1}}};
      return api::LeaseRevokeRequest{.id = {static_cast<int64_t>(random() % 4) + 1}};
    case 4:
      return api::CompactionRequest{.revision = {revisions_about - static_cast<int64_t>(random() % 20)}};
    case 5: {
      api::TxnRequest txn;
      txn.compare.push_back(
          {.target = api::Compare::Target::kVersion, .key = key, .number = static_cast<int64_t>(random() % 2)});
      for (int i = 0; i < 5; ++i)
        txn.success.push_back(api::PutRequest{.key = key + std::to_string(i), .value = "txn"});
      txn.success.push_back(api::RangeRequest{.key = "k", .range_end = "l", .count_only = true});
      txn.failure.push_back(api::DeleteRangeRequest{.key = "k3", .range_end = "k5", .prev_kv = true});
      return txn;
    }
    default:
      return api::PutRequest{
          .key = key, .value = std::string(random() % 100, 'v'), .lease = {static_cast<int64_t>(random() % 3)}};
  }
}

std::vector<raft::Entry> RandomEntries(unsigned seed, size_t count) {
  std::mt19937 random(seed);
  std::vector<raft::Entry> entries;
  for (size_t i = 0; i < count; ++i) {
    entries.push_back(Store::EntryOf(i + 1, RandomRequest(random, static_cast<int64_t>(i) / 2)));
  }
  return entries;
}

struct EndState {
  std::map<std::string, std::string> rows;  // without those of the key counts, whose cuts depend on the turns
  int64_t size = 0;
  uint64_t digest = 0;
  std::vector<int64_t> counts;
  bool operator==(const EndState&) const = default;
};

// A key hangs on the lease that its key-value names, and on no other.
void ExpectLinksAreRight(const Store& store) {
  std::map<int64_t, std::vector<std::string>> expected;
  for (const LeaseInfo& lease : store.machine().Leases()) expected[lease.id.value] = {};
  for (const KeyValue& kv : DecodeList(store.Range({.key = kFirstKey, .range_end = kNoEnd}).kvs)) {
    if (kv.lease != 0) expected[kv.lease].push_back(kv.key);
  }
  EXPECT_EQ(expected.size(), store.machine().Leases().size()) << "a key names a lease that is not there";
  for (const auto& [lease, keys] : expected) EXPECT_EQ(store.machine().LeaseKeys({lease}), keys) << "lease " << lease;
}

EndState EndOf(Store& store) {
  ExpectLinksAreRight(store);
  store.PurgeAll();
  const int64_t leases = kLeaseBytes * static_cast<int64_t>(store.machine().Leases().size());
  EndState end{.size = store.view()->logical_size() - leases, .digest = store.machine().digest()};
  end.rows = store.Rows();
  std::erase_if(end.rows, [](const auto& row) { return row.first[0] == kCountRows; });
  for (int i = 0; i < 60; i += 7) end.counts.push_back(store.Count("k" + std::to_string(i), "l"));
  EXPECT_EQ(end.counts[0], static_cast<int64_t>(KeysOf(store.Range({.key = "k0", .range_end = "l"})).size()));
  EXPECT_EQ(end.size, WeightOfRows(end.rows));
  return end;
}

// Applies what is missing, in turns of `turn` entries.
void CatchUp(Store& store, const std::vector<raft::Entry>& entries, size_t turn) {
  while (store.machine().applied().value < entries.size()) {
    const size_t from = store.machine().applied().value;
    const size_t to = std::min(from + turn, entries.size());
    store.ApplyTurn({entries.begin() + static_cast<ptrdiff_t>(from), entries.begin() + static_cast<ptrdiff_t>(to)});
  }
}

// Chunks so small that nearly every operation of a large entry is a batch of its own.
constexpr StateMachineOptions kSmallChunks{.chunk_bytes_max = 200, .head_cache_bytes_max = 2000};

TEST(StoreCrash, EveryPrefixOfTheBatchesIsReplayedToTheSameEnd) {
  for (const unsigned seed : {1u, 2u, 3u}) {
    const std::vector<raft::Entry> entries = RandomEntries(seed, 120);
    Store reference;
    CatchUp(reference, entries, entries.size());
    const EndState expected = EndOf(reference);

    size_t batches = 1;
    for (size_t prefix = 0; prefix <= batches; ++prefix) {
      Store store(kSmallChunks);
      CatchUp(store, entries, 7);
      batches = store.engine().unflushed_batches();
      store.engine().FlushBatches(prefix);
      store.Crash();
      CatchUp(store, entries, 5);
      ASSERT_EQ(EndOf(store), expected) << "seed " << seed << ", crash after batch " << prefix << " of " << batches;
    }
    EXPECT_GT(batches, entries.size() / 7) << "no entry was cut into chunks";
  }
}

TEST(StoreCrash, ManyCrashesWithPurgesAndFlushesInBetweenLeadToTheSameEnd) {
  for (unsigned seed = 10; seed < 30; ++seed) {
    const std::vector<raft::Entry> entries = RandomEntries(seed, 300);
    Store reference;
    CatchUp(reference, entries, 1);
    std::mt19937 random(seed);
    Store store(kSmallChunks);
    for (size_t end = 10; end < entries.size(); end += 10) {
      const std::vector<raft::Entry> log(entries.begin(), entries.begin() + static_cast<ptrdiff_t>(end));
      CatchUp(store, log, 1 + random() % 8);
      if (random() % 3 == 0) {
        if (const auto plan = store.machine().PlanPurge(*store.view(), 1 + random() % 50))
          store.machine().RunPurge(*plan);
      }
      store.engine().FlushBatches(random() % 30);
      if (random() % 3 != 0) continue;
      const uint64_t persisted = store.machine().PersistedApplied()->value;
      store.Crash();
      ASSERT_EQ(store.machine().applied().value, persisted);
    }
    CatchUp(store, entries, 3);
    ASSERT_EQ(EndOf(store), EndOf(reference)) << "seed " << seed;
  }
}

TEST(StoreCrash, TheAnswersDoNotDependOnTurnsAndChunks) {
  const std::vector<raft::Entry> entries = RandomEntries(99, 400);
  const auto answers = [&](StateMachineOptions options, size_t turn) {
    Store store(options);
    std::vector<std::string> texts;
    while (store.machine().applied().value < entries.size()) {
      const size_t from = store.machine().applied().value;
      const size_t to = std::min(from + turn, entries.size());
      const ApplyOutcome outcome = store.ApplyTurn(
          {entries.begin() + static_cast<ptrdiff_t>(from), entries.begin() + static_cast<ptrdiff_t>(to)});
      for (const Answer& answer : outcome.answers) {
        texts.push_back(answer.result.ok() ? std::to_string(answer.result->index())
                                           : answer.result.status().ToString());
        if (!answer.result.ok()) continue;
        if (const auto* txn = std::get_if<api::TxnResult>(&*answer.result)) {
          texts.back() += "/" + std::to_string(txn->revision.value);
          for (const api::ResponseOp& response : txn->responses) {
            if (const auto* range = std::get_if<api::RangeResult>(&response))
              texts.back() += "#" + std::to_string(range->count);
            if (const auto* deleted = std::get_if<api::DeleteRangeResult>(&response)) {
              for (const KeyValue& kv : DecodeList(deleted->prev_kvs))
                texts.back() += "-" + kv.key + "@" + std::to_string(kv.mod_revision);
            }
          }
        }
      }
    }
    return texts;
  };
  const std::vector<std::string> expected = answers({}, 1);
  EXPECT_EQ(answers({}, 400), expected);
  EXPECT_EQ(answers(kSmallChunks, 13), expected);
}

TEST(StoreCrash, ALargeDeleteIsWrittenInChunksAndInvisibleUntilItsEnd) {
  Store store(StateMachineOptions{.chunk_bytes_max = 1000});
  for (int i = 0; i < 500; ++i) store.Put("k" + std::to_string(1000 + i), std::string(30, 'x'));
  ASSERT_TRUE(store.machine().Flush().ok());
  const uint64_t before = store.machine().applied().value;
  store.Delete("k", "l");
  const size_t batches = store.engine().unflushed_batches();
  EXPECT_GT(batches, 30u);
  store.engine().FlushBatches(batches - 1);
  store.Crash();
  EXPECT_EQ(store.machine().applied().value, before);
  EXPECT_EQ(store.Count("k", "l"), 500);
  EXPECT_EQ(KeysOf(store.Range({.key = "k", .range_end = "l"})).size(), 500u);
  EXPECT_EQ(store.Delete("k", "l"), 502);
  EXPECT_EQ(store.Count("k", "l"), 0);
}

}  // namespace
}  // namespace regent::storage
