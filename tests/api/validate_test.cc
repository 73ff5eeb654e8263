#include "api/contract/validate.h"

#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/contract/errors.h"
#include "api/contract/limits.h"
#include "gtest/gtest.h"

namespace regent::api {
namespace {

using Ops = std::vector<RequestOp>;
using NestedTxn = std::shared_ptr<const TxnRequest>;

const std::string kZero(1, '\0');

RequestOp Put(std::string key) { return PutRequest{.key = std::move(key), .value = "v"}; }
RequestOp Delete(std::string key, std::string range_end = "") {
  return DeleteRangeRequest{.key = std::move(key), .range_end = std::move(range_end)};
}
RequestOp Get(std::string key) { return RangeRequest{.key = std::move(key)}; }
RequestOp Nested(Ops success, Ops failure = {}) {
  return std::make_shared<const TxnRequest>(TxnRequest{.success = std::move(success), .failure = std::move(failure)});
}
absl::Status CheckBranch(Ops ops) { return Validate(TxnRequest{.success = std::move(ops)}, 128); }

TEST(Validate, ARangeNeedsAKeyAndAKnownSorting) {
  EXPECT_EQ(Validate(RangeRequest{}), ErrEmptyKey());
  EXPECT_EQ(Validate(RangeRequest{.key = "k", .sort_order = static_cast<SortOrder>(3)}), ErrInvalidSortOption());
  EXPECT_EQ(Validate(RangeRequest{.key = "k", .sort_target = static_cast<SortTarget>(255)}), ErrInvalidSortOption());
  EXPECT_EQ(Validate(RangeRequest{.sort_order = static_cast<SortOrder>(3)}), ErrEmptyKey());
  EXPECT_TRUE(Validate(RangeRequest{.key = "k", .range_end = "a", .limit = -1, .revision = {-5}}).ok());
}

TEST(Validate, APutThatIgnoresSomethingMayNotBringIt) {
  EXPECT_EQ(Validate(PutRequest{.value = "v", .ignore_value = true}), ErrEmptyKey());
  EXPECT_EQ(Validate(PutRequest{.key = "k", .value = "v", .lease = {1}, .ignore_value = true, .ignore_lease = true}),
            ErrValueProvided());
  EXPECT_EQ(Validate(PutRequest{.key = "k", .lease = {1}, .ignore_value = true, .ignore_lease = true}),
            ErrLeaseProvided());
  EXPECT_TRUE(Validate(PutRequest{.key = "k", .ignore_value = true, .ignore_lease = true}).ok());
}

TEST(Validate, ADeleteNeedsAKey) {
  EXPECT_EQ(Validate(DeleteRangeRequest{.range_end = "b"}), ErrEmptyKey());
  EXPECT_TRUE(Validate(DeleteRangeRequest{.key = "k"}).ok());
}

TEST(Validate, TheLongestListOfATransactionCounts) {
  const TxnRequest compares{.compare = std::vector<Compare>(3, Compare{.key = "k"})};
  EXPECT_EQ(Validate(compares, 2), ErrTooManyOps());
  EXPECT_TRUE(Validate(compares, 3).ok());
  const TxnRequest failures{.failure = {Get("a"), Get("b"), Get("c")}};
  EXPECT_EQ(Validate(failures, 2), ErrTooManyOps());
  EXPECT_TRUE(Validate(failures, 3).ok());
}

TEST(Validate, ANestedTransactionMayUseWhatItsParentLeaves) {
  const TxnRequest txn{.success = {Get("x"), Nested({Get("a"), Get("b")})}};
  EXPECT_TRUE(Validate(txn, 4).ok());
  EXPECT_EQ(Validate(txn, 3), ErrTooManyOps());
  const TxnRequest by_compares{.compare = std::vector<Compare>(3, Compare{.key = "k"}),
                               .success = {Nested({Get("a")})}};
  EXPECT_TRUE(Validate(by_compares, 4).ok());
  EXPECT_EQ(Validate(by_compares, 3), ErrTooManyOps());
  EXPECT_TRUE(Validate(TxnRequest{.success = {Nested({})}}, 1).ok());
}

TEST(Validate, TheFirstErrorInEtcdsOrderIsTheOneThatIsTold) {
  EXPECT_EQ(Validate(TxnRequest{.compare = {Compare{}}, .success = {Get("a"), Get("b")}}, 1), ErrTooManyOps());
  EXPECT_EQ(Validate(TxnRequest{.compare = {Compare{}}, .success = {NestedTxn()}}, 1), ErrEmptyKey());
  EXPECT_EQ(Validate(TxnRequest{.success = {NestedTxn(), Get("")}}, 2), ErrKeyNotFound());
  EXPECT_EQ(Validate(TxnRequest{.success = {Put("a"), Put("a")}, .failure = {Get("")}}, 2), ErrEmptyKey());
}

TEST(Validate, AnOperationWithoutContentIsAKeyThatIsNotFound) {
  EXPECT_EQ(CheckBranch({NestedTxn()}), ErrKeyNotFound());
  EXPECT_EQ(CheckBranch({Nested({NestedTxn()})}), ErrKeyNotFound());
}

TEST(Validate, AKeyIsPutOnceInABranch) {
  EXPECT_EQ(CheckBranch({Put("a"), Put("a")}), ErrDuplicateKey());
  EXPECT_TRUE(CheckBranch({Put("a"), Put("b"), Get("a")}).ok());
  EXPECT_TRUE(Validate(TxnRequest{.success = {Put("a")}, .failure = {Put("a")}}, 128).ok());
  EXPECT_EQ(Validate(TxnRequest{.failure = {Put("a"), Put("a")}}, 128), ErrDuplicateKey());
}

TEST(Validate, AKeyIsNotPutWhereItIsDeleted) {
  EXPECT_EQ(CheckBranch({Put("a"), Delete("a")}), ErrDuplicateKey());
  EXPECT_EQ(CheckBranch({Delete("a"), Put("a")}), ErrDuplicateKey());
  EXPECT_EQ(CheckBranch({Delete("a", "c"), Put("b")}), ErrDuplicateKey());
  EXPECT_TRUE(CheckBranch({Delete("a", "c"), Put("c")}).ok());
  EXPECT_TRUE(CheckBranch({Delete("a", "c"), Delete("b", "d"), Delete("a")}).ok());
  EXPECT_EQ(CheckBranch({Delete("a", "c"), Delete("c", "e"), Delete("b", "d"), Put("d")}), ErrDuplicateKey());
}

TEST(Validate, ADeleteFromAKeyOnConflictsWithNothing) {
  EXPECT_TRUE(CheckBranch({Delete("a", kZero), Put("b")}).ok());
  EXPECT_TRUE(CheckBranch({Delete("a", kZero), Put("a")}).ok());
  EXPECT_TRUE(CheckBranch({Delete("c", "a"), Put("b")}).ok());
}

TEST(Validate, NestedTransactionsCountAsTheirParent) {
  EXPECT_EQ(CheckBranch({Put("a"), Nested({Put("a")})}), ErrDuplicateKey());
  EXPECT_EQ(CheckBranch({Nested({Put("a")}), Nested({}, {Put("a")})}), ErrDuplicateKey());
  EXPECT_TRUE(CheckBranch({Nested({Put("a")}, {Put("a")})}).ok());
  EXPECT_EQ(CheckBranch({Nested({Put("a")}, {Put("a")}), Put("a")}), ErrDuplicateKey());
  EXPECT_EQ(CheckBranch({Nested({Delete("a")}), Put("a")}), ErrDuplicateKey());
  EXPECT_EQ(CheckBranch({Put("a"), Nested({}, {Delete("a")})}), ErrDuplicateKey());
  EXPECT_EQ(CheckBranch({Nested({Nested({Put("x"), Put("x")})})}), ErrDuplicateKey());
}

TEST(Validate, ALaterNestedDeleteDoesNotConflictWithAnEarlierNestedPut) {
  EXPECT_EQ(CheckBranch({Nested({Delete("a")}), Nested({Put("a")})}), ErrDuplicateKey());
  EXPECT_TRUE(CheckBranch({Nested({Put("a")}), Nested({Delete("a")})}).ok());
}

// ---- the same check, written as plainly as possible: lists, and every pair looked at
// ---------------------------------

struct PlainChanges {
  std::vector<std::string> puts;
  std::vector<std::pair<std::string, std::string>> deletes;
  bool duplicate = false;
};

bool Has(const std::vector<std::string>& keys, const std::string& key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

bool Deleted(const PlainChanges& changes, const std::string& key) {
  for (const auto& [begin, end] : changes.deletes) {
    if (end.empty() ? key == begin : key >= begin && key < end) return true;
  }
  return false;
}

PlainChanges PlainCheck(const Ops& ops) {
  PlainChanges changes;
  for (const RequestOp& op : ops) {
    if (const auto* d = std::get_if<DeleteRangeRequest>(&op)) changes.deletes.emplace_back(d->key, d->range_end);
  }
  for (const RequestOp& op : ops) {
    const auto* txn = std::get_if<NestedTxn>(&op);
    if (txn == nullptr) continue;
    const PlainChanges success = PlainCheck((*txn)->success);
    const PlainChanges failure = PlainCheck((*txn)->failure);
    changes.duplicate |= success.duplicate || failure.duplicate;
    for (const std::string& key : success.puts) changes.duplicate |= Has(changes.puts, key) || Deleted(changes, key);
    for (const std::string& key : failure.puts) {
      changes.duplicate |= (Has(changes.puts, key) && !Has(success.puts, key)) || Deleted(changes, key);
    }
    for (const auto* side : {&success, &failure}) {
      changes.puts.insert(changes.puts.end(), side->puts.begin(), side->puts.end());
    }
    for (const auto* side : {&success, &failure}) {
      changes.deletes.insert(changes.deletes.end(), side->deletes.begin(), side->deletes.end());
    }
  }
  for (const RequestOp& op : ops) {
    const auto* put = std::get_if<PutRequest>(&op);
    if (put == nullptr) continue;
    changes.duplicate |= Has(changes.puts, put->key) || Deleted(changes, put->key);
    changes.puts.push_back(put->key);
  }
  return changes;
}

Ops RandomOps(std::mt19937_64& random, int depth) {
  Ops ops;
  for (uint64_t n = random() % 4; n > 0; --n) {
    const std::string key(1, static_cast<char>('a' + random() % 12));
    switch (random() % (depth == 0 ? 4 : 6)) {
      case 0:
        ops.push_back(Get(key));
        break;
      case 1:
        ops.push_back(Delete(key, random() % 3 == 0 ? "" : std::string(1, static_cast<char>('a' + random() % 12))));
        break;
      case 2:
      case 3:
        ops.push_back(Put(key));
        break;
      default:
        ops.push_back(Nested(RandomOps(random, depth - 1), RandomOps(random, depth - 1)));
    }
  }
  return ops;
}

TEST(Validate, DuplicatesAreFoundAsByLookingAtEveryPair) {
  std::mt19937_64 random(7);
  int refused = 0;
  for (int i = 0; i < 50'000; ++i) {
    const TxnRequest txn{.success = RandomOps(random, 3), .failure = RandomOps(random, 3)};
    const bool duplicate = PlainCheck(txn.success).duplicate || PlainCheck(txn.failure).duplicate;
    ASSERT_EQ(Validate(txn, 128), duplicate ? ErrDuplicateKey() : absl::OkStatus()) << "seed 7, transaction " << i;
    refused += duplicate ? 1 : 0;
  }
  EXPECT_GT(refused, 5'000);
  EXPECT_LT(refused, 45'000);
}

TEST(Validate, ATransactionOfRangesAloneIsReadOnly) {
  EXPECT_TRUE(IsReadOnly({}));
  EXPECT_TRUE(IsReadOnly({.success = {Get("a")}, .failure = {Get("b")}}));
  EXPECT_FALSE(IsReadOnly({.success = {Get("a")}, .failure = {Put("b")}}));
  EXPECT_FALSE(IsReadOnly({.success = {Nested({Get("a")})}}));
}

TEST(Validate, AWatchIsRefusedWithEtcdsReasons) {
  EXPECT_EQ(WatchRefusal("b", "a", {-1}), "etcdserver: mvcc: required revision has been compacted");
  EXPECT_EQ(WatchRefusal("b", "a", {0}), "mvcc: watcher range is empty");
  EXPECT_EQ(WatchRefusal("b", "b", {0}), "mvcc: watcher range is empty");
  EXPECT_EQ(WatchRefusal("b", kZero, {0}), "");
  EXPECT_EQ(WatchRefusal("b", "", {7}), "");
}

}  // namespace
}  // namespace regent::api
