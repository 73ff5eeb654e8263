// Transactions: compares, order of operations, headers, and everything that must fail before anything is written.
#include <memory>
#include <string>
#include <vector>

#include "api/contract/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/storage/store_fixture.h"

namespace regent::storage {
namespace {

using api::Compare;
using ::testing::ElementsAre;

bool Succeeds(Store& store, std::vector<Compare> compares) {
  return store.Txn({.compare = std::move(compares)})->succeeded;
}

TEST(StoreCompare, AMissingKeyCountsAsZeroButNeverAsAValue) {
  Store store;
  for (const auto target :
       {Compare::Target::kVersion, Compare::Target::kCreate, Compare::Target::kMod, Compare::Target::kLease}) {
    EXPECT_TRUE(Succeeds(store, {{.result = Compare::Result::kEqual, .target = target, .key = "a", .number = 0}}));
    EXPECT_TRUE(Succeeds(store, {{.result = Compare::Result::kLess, .target = target, .key = "a", .number = 1}}));
  }
  for (const auto result : {Compare::Result::kEqual, Compare::Result::kNotEqual, Compare::Result::kLess}) {
    EXPECT_FALSE(Succeeds(store, {{.result = result, .target = Compare::Target::kValue, .key = "a", .value = "x"}}));
  }
}

TEST(StoreCompare, NumbersAndValuesOfALiveKey) {
  Store store;
  ASSERT_TRUE(store.Grant(4).ok());
  store.Put("a", "old", 4);
  store.Put("a", "m", 4);
  EXPECT_TRUE(Succeeds(
      store, {{.target = Compare::Target::kVersion, .key = "a", .number = 2},
              {.target = Compare::Target::kCreate, .key = "a", .number = 2},
              {.target = Compare::Target::kMod, .key = "a", .number = 3},
              {.target = Compare::Target::kLease, .key = "a", .number = 4},
              {.target = Compare::Target::kValue, .key = "a", .value = "m"},
              {.result = Compare::Result::kGreater, .target = Compare::Target::kValue, .key = "a", .value = "lz"},
              {.result = Compare::Result::kNotEqual, .target = Compare::Target::kMod, .key = "a", .number = 2}}));
}

TEST(StoreCompare, ARangeMustHoldForEveryKeyAndIsAMissingKeyWhenEmpty) {
  Store store;
  store.Put("a", "1");
  store.Put("b", "1");
  const auto version = [](Compare::Result result, int64_t number) {
    return Compare{
        .result = result, .target = Compare::Target::kVersion, .key = "a", .range_end = "z", .number = number};
  };
  EXPECT_TRUE(Succeeds(store, {version(Compare::Result::kEqual, 1)}));
  store.Put("b", "2");
  EXPECT_FALSE(Succeeds(store, {version(Compare::Result::kEqual, 1)}));
  EXPECT_TRUE(Succeeds(store, {version(Compare::Result::kGreater, 0)}));
  store.Delete("a", "z");
  EXPECT_TRUE(Succeeds(store, {version(Compare::Result::kEqual, 0)}));
}

TEST(StoreTxn, AllChangesShareOneRevisionAndARangeSeesThePutBeforeIt) {
  Store store;
  store.Put("a", "0");
  const auto result = store.Txn(
      {.success = {api::RangeRequest{.key = "a"}, api::PutRequest{.key = "a", .value = "1"},
                   api::RangeRequest{.key = "a", .range_end = "z"}, api::PutRequest{.key = "b", .value = "2"},
                   api::RangeRequest{.key = "a", .range_end = "z"}, api::RangeRequest{.key = "a", .revision = {2}}}});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->revision.value, 3);
  const auto range = [&](size_t i) { return std::get<api::RangeResult>(result->responses[i]); };
  EXPECT_EQ(range(0).revision.value, 2);
  EXPECT_EQ(std::get<api::PutResult>(result->responses[1]).revision.value, 3);
  EXPECT_EQ(range(2).revision.value, 3);
  EXPECT_EQ(DecodeList(range(2).kvs)[0], (KeyValue{"a", 2, 3, 2, "1", 0}));
  EXPECT_EQ(range(2).count, 1);
  EXPECT_THAT(KeysOf(range(4)), ElementsAre("a", "b"));
  EXPECT_EQ(DecodeList(range(5).kvs)[0].value, "0");
}

TEST(StoreTxn, ARangeDeleteInATxnSeesThePutsBeforeItAndDoesNotSeeThoseAfter) {
  Store store;
  store.Put("b", "0");
  const auto result =
      store.Txn({.success = {api::PutRequest{.key = "a"}, api::DeleteRangeRequest{.key = "b", .range_end = "d"},
                             api::RangeRequest{.key = "a", .range_end = "z"}, api::PutRequest{.key = "e"}}});
  EXPECT_THAT(KeysOf(std::get<api::RangeResult>(result->responses[2])), ElementsAre("a"));
  EXPECT_EQ(store.view()->revision().value, 3);
}

// Validation lets a put and an open-ended delete over it through; they must not break anything.
TEST(StoreTxn, APutDeletedInTheSameRevisionLeavesNothingBehind) {
  Store store;
  const auto result = store.Txn({.success = {api::PutRequest{.key = "a", .value = "1"},
                                             api::DeleteRangeRequest{.key = "a", .range_end = kNoEnd}}});
  EXPECT_EQ(result->revision.value, 2);
  EXPECT_EQ(store.Get("a"), std::nullopt);
  EXPECT_EQ(store.Count(kFirstKey, kNoEnd), 0);
  ASSERT_EQ(store.outcome().events->events.size(), 2u);
  ASSERT_TRUE(store.Compact(2).ok());
  store.PurgeAll();
  EXPECT_EQ(store.view()->logical_size(), 0);
  EXPECT_EQ(WeightOfRows(store.Rows()), 0);
  const auto slice = store.view()->Events("a", "", {2}, true, 100);
  ASSERT_TRUE(slice.ok());
  EXPECT_EQ(slice->events->events.size(), 1u) << "the put was superseded within the compacted revision";
}

TEST(StoreTxn, AFailedOrReadOnlyTxnMakesNoRevision) {
  Store store;
  store.Put("a", "1");
  const auto result = store.Txn({.compare = {{.target = Compare::Target::kMod, .key = "a", .number = 9}},
                                 .success = {api::PutRequest{.key = "a"}},
                                 .failure = {api::RangeRequest{.key = "a"}}});
  EXPECT_FALSE(result->succeeded);
  EXPECT_EQ(result->revision.value, 2);
  EXPECT_EQ(DecodeList(std::get<api::RangeResult>(result->responses[0]).kvs)[0].mod_revision, 2);
}

TEST(StoreTxn, NestedComparesAreJudgedBeforeAnythingIsWritten) {
  Store store;
  auto nested = std::make_shared<const api::TxnRequest>(
      api::TxnRequest{.compare = {{.target = Compare::Target::kVersion, .key = "a", .number = 0}},
                      .success = {api::PutRequest{.key = "b", .value = "then"}},
                      .failure = {api::PutRequest{.key = "b", .value = "else"}}});
  const auto result = store.Txn({.success = {api::PutRequest{.key = "a"}, nested}});
  EXPECT_TRUE(std::get<std::shared_ptr<const api::TxnResult>>(result->responses[1])->succeeded);
  EXPECT_EQ(store.Get("b"), (KeyValue{"b", 2, 2, 1, "then", 0}));
}

// The error of any operation of the chosen branch, nested ones too, comes before the first write.
TEST(StoreTxn, ABadOperationFailsTheWholeTxnBeforeAnythingIsWritten) {
  Store store;
  for (int i = 0; i < 6; ++i) store.Put("a", std::to_string(i));
  ASSERT_TRUE(store.Compact(5).ok());
  const int64_t revision = store.view()->revision().value;
  const auto fails = [&](api::RequestOp last, const absl::Status& expected) {
    auto nested = std::make_shared<const api::TxnRequest>(api::TxnRequest{.success = {std::move(last)}});
    EXPECT_EQ(store.Txn({.success = {api::PutRequest{.key = "a"}, nested}}).status(), expected);
    EXPECT_EQ(store.view()->revision().value, revision);
  };
  fails(api::RangeRequest{.key = "a", .revision = {revision + 1}}, api::ErrFutureRevision());
  fails(api::RangeRequest{.key = "a", .revision = {4}}, api::ErrCompacted());
  fails(api::PutRequest{.key = "b", .lease = {99}}, api::ErrLeaseNotFound());
  fails(api::PutRequest{.key = "b", .ignore_value = true}, api::ErrKeyNotFound());
  // In the branch that is not taken none of it matters.
  EXPECT_TRUE(
      store.Txn({.success = {api::PutRequest{.key = "a"}}, .failure = {api::PutRequest{.key = "b", .lease = {99}}}})
          .ok());
}

TEST(StoreTxn, AReadTxnAnswersFromItsView) {
  Store store;
  store.Put("a", "1");
  const std::shared_ptr<const View> view = store.view();
  store.Put("a", "2");
  const auto result = view->ReadTxn({.compare = {{.target = Compare::Target::kValue, .key = "a", .value = "1"}},
                                     .success = {api::RangeRequest{.key = "a"}}});
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->succeeded);
  EXPECT_EQ(result->revision.value, 2);
  EXPECT_EQ(view->ReadTxn({.success = {api::RangeRequest{.key = "a", .revision = {3}}}}).status(),
            api::ErrFutureRevision());
}

TEST(StoreTurn, LaterEntriesOfATurnSeeEarlierOnes) {
  Store store;
  const api::TxnRequest create{.compare = {{.target = Compare::Target::kMod, .key = "a", .number = 0}},
                               .success = {api::PutRequest{.key = "a", .value = "first"}},
                               .failure = {api::RangeRequest{.key = "a", .range_end = "z"}}};
  const ApplyOutcome outcome = store.ApplyTurn(
      {Store::EntryOf(1, create), Store::EntryOf(2, create),
       Store::EntryOf(3, api::DeleteRangeRequest{.key = "a", .range_end = "z"}), Store::EntryOf(4, create)});
  const auto txn = [&](size_t i) { return std::get<api::TxnResult>(*outcome.answers[i].result); };
  EXPECT_TRUE(txn(0).succeeded);
  EXPECT_FALSE(txn(1).succeeded);
  EXPECT_EQ(std::get<api::RangeResult>(txn(1).responses[0]).count, 1);
  EXPECT_EQ(std::get<api::DeleteRangeResult>(*outcome.answers[2].result).deleted, 1);
  EXPECT_TRUE(txn(3).succeeded);
  EXPECT_EQ(store.view()->revision().value, 4);
}

}  // namespace
}  // namespace regent::storage
