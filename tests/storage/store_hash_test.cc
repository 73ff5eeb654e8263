// HashKV, against a model of etcd's rule over a list of all changes ever made.
#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "api/contract/errors.h"
#include "api/contract/wire.h"
#include "gtest/gtest.h"
#include "storage/crc32c.h"
#include "storage/hash_kv.h"
#include "storage/keys.h"
#include "tests/storage/store_fixture.h"

namespace regent::storage {
namespace {

TEST(Crc32c, OfTwoPiecesFollowsFromTheirsAlone) {
  std::mt19937 random(7);
  std::string bytes(100'000, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  for (const size_t first : {0u, 1u, 7u, 64u, 4096u, 65'537u, 100'000u}) {
    const std::string_view all = bytes;
    EXPECT_EQ(ConcatCrc32c(Crc32c(all.substr(0, first)), Crc32c(all.substr(first)), all.size() - first), Crc32c(all));
  }
}

// Everything that was ever written, and what etcd would hash of it.
class HashModel {
 public:
  void Put(int64_t revision, uint32_t sub, const std::string& key, std::string rest) {
    changes_[{revision, sub}] = {key, std::move(rest)};
  }
  void Delete(int64_t revision, uint32_t sub, const std::string& key) { changes_[{revision, sub}] = {key, ""}; }

  uint32_t Hash(int64_t at, int64_t compacted) const {
    const std::set<Position> seen = LiveVersions(at);
    const std::set<Position> kept = LiveVersions(compacted);
    std::string hashed = "key";
    for (const auto& [position, change] : changes_) {
      const auto& [key, rest] = change;
      if (position.revision > at) break;
      if (position.revision <= compacted && !(seen.empty() ? kept : seen).contains(position)) continue;
      AppendBigEndian64(hashed, static_cast<uint64_t>(position.revision));
      hashed.push_back('_');
      AppendBigEndian64(hashed, position.sub);
      if (rest.empty()) hashed.push_back('t');
      hashed += api::EncodeKeyValue(key, rest);
    }
    return Crc32c(hashed);
  }

 private:
  std::set<Position> LiveVersions(int64_t at) const {
    std::map<std::string, Position> newest;
    for (const auto& [position, change] : changes_) {
      if (position.revision > at) break;
      newest[change.first] = position;
      if (change.second.empty()) newest.erase(change.first);
    }
    std::set<Position> live;
    for (const auto& [key, position] : newest) live.insert(position);
    return live;
  }

  std::map<Position, std::pair<std::string, std::string>> changes_;
};

class StoreHash : public testing::Test {
 protected:
  void Put(const std::string& key, const std::string& value) {
    const std::optional<KeyValue> before = store_.Get(key);
    const int64_t revision = store_.Put(key, value);
    const int64_t created = before ? before->create_revision : revision;
    const int64_t version = before ? before->version + 1 : 1;
    model_.Put(revision, 0, key, api::EncodeKeyValueRest({created}, {revision}, version, value, {}));
  }
  void DeleteRange(const std::string& key, const std::string& range_end) {
    const std::vector<std::string> keys = KeysOf(store_.Range({.key = key, .range_end = range_end}));
    const int64_t revision = store_.Delete(key, range_end);
    for (uint32_t sub = 0; sub < keys.size(); ++sub) model_.Delete(revision, sub, keys[sub]);
  }
  void Compact(int64_t revision) {
    ASSERT_TRUE(store_.Compact(revision).ok());
    compacted_ = revision;
  }
  int64_t revision() const { return store_.view()->revision().value; }

  // The value at every revision that can be asked for, whatever is purged, in one pass and in many.
  void CompareAll() {
    for (int64_t at = std::max<int64_t>(compacted_, 1); at <= revision(); ++at) {
      const absl::StatusOr<api::HashKvResult> got = store_.view()->HashKv(at, stop_);
      ASSERT_TRUE(got.ok()) << got.status();
      ASSERT_EQ(got->hash, model_.Hash(at, compacted_)) << "at " << at << ", compacted at " << compacted_;
      ASSERT_EQ(got->compact_revision, compacted_);
      ASSERT_EQ(got->hash_revision, at);
      ASSERT_EQ(got->revision.value, revision());
      ++compared_;
    }
  }

  Store store_;
  HashModel model_;
  int64_t compacted_ = -1;
  int compared_ = 0;
  std::atomic<bool> stop_{false};
};

TEST_F(StoreHash, OfAFreshStoreIsThatOfTheBucketsName) {
  const absl::StatusOr<api::HashKvResult> got = store_.view()->HashKv(0, stop_);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->hash, Crc32c("key"));
  EXPECT_EQ(got->hash_revision, 1);
  EXPECT_EQ(got->compact_revision, -1);
}

TEST_F(StoreHash, IsThatOfEtcdForEveryHistoryHoweverFarThePurgeIs) {
  std::mt19937 random(11);
  for (int step = 0; step < 400; ++step) {
    const std::string key = std::string("k\0", 2) + std::to_string(random() % 8);
    const uint32_t choice = random() % 20;
    if (choice < 12) {
      Put(key, std::string(random() % 30, 'v'));
    } else if (choice < 16) {
      DeleteRange(key, choice == 12 ? std::string(1, '\0') : "");
    } else if (choice == 16 && revision() > compacted_ && revision() > 1) {
      Compact(std::max<int64_t>(compacted_ + 1, revision() - random() % 4));
    } else if (choice == 17) {
      if (const auto plan = store_.machine().PlanPurge(*store_.view(), 1 + random() % 5))
        store_.machine().RunPurge(*plan);
    } else if (choice == 18) {
      store_.PurgeAll();
    }
    if (step % 10 == 0 || choice >= 16) CompareAll();
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(compared_, 1000);
  EXPECT_GT(compacted_, 100);
}

TEST_F(StoreHash, WhereNothingLivesAnyMoreIsThatOfWhatTheCompactionKept) {
  Put("a", "1");
  Put("b", "2");
  Compact(3);
  DeleteRange("a", "c");
  CompareAll();
  store_.PurgeAll();
  CompareAll();
  Compact(revision());
  CompareAll();
}

TEST_F(StoreHash, IsTheSameInOnePassAndInMany) {
  for (int i = 0; i < 100; ++i) Put("k" + std::to_string(i % 7), std::to_string(i));
  const Engine& engine = store_.engine();
  const std::atomic<int64_t> compacted{-1};
  for (const size_t in_memory : {2u, 3u, 10u, 99u, 100u, 101u, 1000u}) {
    const absl::StatusOr<api::HashKvResult> got = HashKeyValues(
        engine, compacted, {.at = revision(), .current = revision(), .versions_in_memory = in_memory}, stop_);
    ASSERT_TRUE(got.ok());
    EXPECT_EQ(got->hash, model_.Hash(revision(), -1)) << in_memory << " in memory";
  }
}

TEST_F(StoreHash, RefusesWhatIsCompactedAndWhatIsAhead) {
  for (int i = 0; i < 4; ++i) Put("a", std::to_string(i));
  Compact(4);
  EXPECT_EQ(store_.view()->HashKv(3, stop_).status(), api::ErrCompacted());
  EXPECT_EQ(store_.view()->HashKv(6, stop_).status(), api::ErrFutureRevision());
  EXPECT_EQ(store_.view()->HashKv(-1, stop_)->hash, Crc32c("key"));
}

TEST_F(StoreHash, EndsSoonWhenItIsTold) {
  for (int i = 0; i < 2000; ++i) Put("a" + std::to_string(i), "");
  stop_ = true;
  EXPECT_EQ(store_.view()->HashKv(0, stop_).status(), api::ErrStopped());
}

}  // namespace
}  // namespace regent::storage
