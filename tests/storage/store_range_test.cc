// Ranges: limits, "more", counts, sorts and filters as etcd has them.
#include <string>
#include <vector>

#include "api/contract/errors.h"
#include "api/contract/key_range.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/storage/store_fixture.h"

namespace regent::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// a..e at revisions 2..6, then b (7) and d (8) again.
Store Letters() {
  Store store;
  for (const char* key : {"a", "b", "c", "d", "e"}) store.Put(key, std::string("v") + key);
  store.Put("b", "z");
  store.Put("d", "y");
  return store;
}

TEST(StoreRange, KeysComeInTheOrderOfBytesEvenWithZerosInside) {
  Store store;
  const std::vector<std::string> keys = {std::string("a"),
                                         std::string("a\0", 2),
                                         std::string("a\0\0", 3),
                                         std::string("a\0\xff", 3),
                                         std::string("a\1"),
                                         std::string("a\xff"),
                                         "b"};
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) store.Put(*key, "x");
  EXPECT_EQ(KeysOf(store.Range({.key = "a", .range_end = kNoEnd})), keys);
  EXPECT_THAT(KeysOf(store.Range({.key = std::string("a\0", 2), .range_end = std::string("a\1", 2)})),
              ElementsAre(keys[1], keys[2], keys[3]));
  for (const std::string& key : keys) EXPECT_EQ(store.Get(key)->key, key);
}

TEST(StoreRange, ARangeEndAtOrBelowTheKeyIsEmpty) {
  const Store store = Letters();
  EXPECT_EQ(store.Range({.key = "c", .range_end = "c"}).count, 0);
  EXPECT_EQ(store.Range({.key = "c", .range_end = "a"}).count, 0);
}

TEST(StoreRange, FromKeyAndAllKeys) {
  const Store store = Letters();
  EXPECT_THAT(KeysOf(store.Range({.key = "c", .range_end = kNoEnd})), ElementsAre("c", "d", "e"));
  EXPECT_EQ(store.Range({.key = kFirstKey, .range_end = kNoEnd}).count, 5);
}

// Writes, deletes and a compaction with its purge come between the answer's beginning and its rest.
TEST(StoreRange, AnAnswerInPartsIsTheWholeAnswerWhateverHappensMeanwhile) {
  Store store;
  for (int i = 0; i < 300; ++i) store.Put("k" + std::to_string(i), std::string(100 + i, 'v'));
  store.Put("k7", "again");
  const std::vector<api::RangeRequest> requests = {
      {.key = "k", .range_end = "l"},
      {.key = "k1", .range_end = kNoEnd, .limit = 100},
      {.key = "k", .range_end = "l", .limit = 299},
      {.key = "k", .range_end = "l", .limit = 300},
      {.key = "k", .range_end = "l", .revision = {200}},
      {.key = "k", .range_end = "l", .min_mod_revision = {50}, .max_mod_revision = {250}},
      {.key = "k", .range_end = "l", .limit = 70, .min_mod_revision = {50}},
  };
  std::vector<api::RangeResult> wholes, parts;
  for (const api::RangeRequest& request : requests) {
    wholes.push_back(*store.view()->Range(request));
    parts.push_back(*store.view()->RangeInParts(request, 1000));
  }
  for (int i = 0; i < 300; i += 2) store.Put("k" + std::to_string(i), "new");
  store.Delete("k1", "k5");
  ASSERT_TRUE(store.Compact(store.view()->revision().value).ok());
  store.PurgeAll();
  const auto joined = [](const api::KeyValueList& list) {
    std::string all;
    for (const std::string& chunk : list.chunks()) all += chunk;
    return all;
  };
  for (size_t i = 0; i < requests.size(); ++i) {
    ASSERT_NE(parts[i].rest, nullptr) << i;
    EXPECT_EQ(parts[i].count, wholes[i].count) << i;
    EXPECT_EQ(parts[i].more, wholes[i].more) << i;
    std::string all = joined(parts[i].kvs);
    EXPECT_LT(all.size(), 2000u) << i;
    EXPECT_EQ(all.size() + parts[i].rest->size_bytes(), wholes[i].kvs.size_bytes()) << i;
    while (parts[i].rest->size_bytes() > 0) all += joined(parts[i].rest->Next(5000));
    EXPECT_EQ(all, joined(wholes[i].kvs)) << i;
  }
}

TEST(StoreRange, TheCountIgnoresLimitAndFilters) {
  const Store store = Letters();
  const api::RangeResult limited = store.Range({.key = "a", .range_end = "z", .limit = 2});
  EXPECT_THAT(KeysOf(limited), ElementsAre("a", "b"));
  EXPECT_TRUE(limited.more);
  EXPECT_EQ(limited.count, 5);
  const api::RangeResult filtered = store.Range({.key = "a", .range_end = "z", .min_mod_revision = {7}});
  EXPECT_THAT(KeysOf(filtered), ElementsAre("b", "d"));
  EXPECT_FALSE(filtered.more);
  EXPECT_EQ(filtered.count, 5);
}

TEST(StoreRange, TheLimitComesAfterTheFilters) {
  const Store store = Letters();
  const api::RangeResult result = store.Range({.key = "a", .range_end = "z", .limit = 1, .min_mod_revision = {7}});
  EXPECT_THAT(KeysOf(result), ElementsAre("b"));
  EXPECT_TRUE(result.more);
}

TEST(StoreRange, ALimitOfExactlyTheRangeHasNoMore) {
  const Store store = Letters();
  EXPECT_FALSE(store.Range({.key = "a", .range_end = "z", .limit = 5}).more);
  EXPECT_TRUE(store.Range({.key = "a", .range_end = "z", .limit = 4}).more);
  EXPECT_FALSE(store.Range({.key = "a", .range_end = "z", .limit = -4}).more);
}

TEST(StoreRange, TheHeaderIsTheCurrentRevisionNotTheOneAskedFor) {
  const Store store = Letters();
  const api::RangeResult result = store.Range({.key = "b", .revision = {3}});
  EXPECT_EQ(result.revision.value, 8);
  EXPECT_EQ(DecodeList(result.kvs)[0].mod_revision, 3);
}

TEST(StoreRange, AFutureRevisionIsAnErrorAndANegativeOneIsTheLatest) {
  const Store store = Letters();
  EXPECT_EQ(store.RangeError({.key = "a", .revision = {9}}), api::ErrFutureRevision());
  EXPECT_EQ(store.Get("b", -1)->mod_revision, 7);
}

TEST(StoreRange, OrderNoneWithATargetSortsTheFirstKeysAlone) {
  const Store store = Letters();
  // The first three by key are a (2), b (7), c (4); sorted by mod revision: a, c, b; cut to two.
  const api::RangeResult result =
      store.Range({.key = "a", .range_end = "z", .limit = 2, .sort_target = api::SortTarget::kMod});
  EXPECT_THAT(KeysOf(result), ElementsAre("a", "c"));
  EXPECT_TRUE(result.more);
  EXPECT_EQ(result.count, 5);
}

TEST(StoreRange, AnOrderSortsTheWholeRangeBeforeTheLimit) {
  const Store store = Letters();
  EXPECT_THAT(KeysOf(store.Range({.key = "a",
                                  .range_end = "z",
                                  .limit = 2,
                                  .sort_order = api::SortOrder::kDescend,
                                  .sort_target = api::SortTarget::kMod})),
              ElementsAre("d", "b"));
  EXPECT_THAT(KeysOf(store.Range({.key = "a",
                                  .range_end = "z",
                                  .sort_order = api::SortOrder::kAscend,
                                  .sort_target = api::SortTarget::kValue})),
              ElementsAre("a", "c", "e", "d", "b"));
  EXPECT_THAT(KeysOf(store.Range({.key = "a", .range_end = "z", .sort_order = api::SortOrder::kDescend})),
              ElementsAre("e", "d", "c", "b", "a"));
}

TEST(StoreRange, KeysOnlyLeavesOutTheLeaseUnlessTheValueWasReadForTheSort) {
  Store store;
  ASSERT_TRUE(store.Grant(5).ok());
  store.Put("a", "value", 5);
  EXPECT_EQ(DecodeList(store.Range({.key = "a", .keys_only = true}).kvs)[0], (KeyValue{"a", 2, 2, 1, "", 0}));
  EXPECT_EQ(DecodeList(store.Range({.key = "a", .sort_target = api::SortTarget::kValue, .keys_only = true}).kvs)[0],
            (KeyValue{"a", 2, 2, 1, "", 5}));
}

TEST(StoreRange, CountOnlyReturnsNothingElse) {
  const Store store = Letters();
  const api::RangeResult result = store.Range({.key = "a", .range_end = "z", .limit = 2, .count_only = true});
  EXPECT_EQ(result.count, 5);
  EXPECT_FALSE(result.more);
  EXPECT_THAT(KeysOf(result), IsEmpty());
}

TEST(StoreRange, PagesOfAnOldRevisionAgreeWithOneRead) {
  Store store;
  for (int i = 0; i < 3000; ++i) store.Put("k" + std::to_string(10'000 + i), "v");
  const int64_t revision = store.view()->revision().value;
  std::string key = "k";
  int64_t left = 3000;
  for (bool more = true; more;) {
    const api::RangeResult page = store.Range({.key = key, .range_end = "l", .limit = 170, .revision = {revision}});
    EXPECT_EQ(page.count, left);
    const std::vector<std::string> keys = KeysOf(page);
    left -= static_cast<int64_t>(keys.size());
    more = page.more;
    key = keys.back() + '\0';
    store.Delete("k" + std::to_string(10'000 + left));
    store.Put("k" + std::to_string(20'000 + left), "v");
  }
  EXPECT_EQ(left, 0);
}

TEST(StoreRange, CountsOfOldRevisionsAgreeWithTheWalk) {
  Store store;
  for (int i = 0; i < 6000; ++i) {
    const std::string key = "k" + std::to_string((i * 7919) % 5000);
    if (i % 3 == 2) {
      store.Delete(key);
    } else {
      store.Put(key, "v");
    }
  }
  for (int64_t revision = 100; revision < store.view()->revision().value; revision += 611) {
    const auto walked =
        static_cast<int64_t>(KeysOf(store.Range({.key = "k1", .range_end = "k4", .revision = {revision}})).size());
    EXPECT_EQ(store.Count("k1", "k4", revision), walked) << "at " << revision;
  }
}

}  // namespace
}  // namespace regent::storage
