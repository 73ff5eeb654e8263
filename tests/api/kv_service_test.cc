#include "api/service/kv_service.h"

#include <string>

#include "api/contract/errors.h"
#include "api/contract/proto/range.pb.h"
#include "api/contract/wire.h"
#include "gtest/gtest.h"
#include "tests/api/fakes.h"

namespace regent::api {
namespace {

namespace pb = etcdserverpb;

template <typename Message>
Message Parse(const FakeCall& call) {
  Message message;
  EXPECT_EQ(call.sent.size(), 1u) << call.finished->ToString();
  EXPECT_TRUE(!call.sent.empty() && message.ParseFromString(call.sent[0]));
  return message;
}

constexpr char kFullHeader[] = "cluster_id: 11 member_id: 22 revision: 33 raft_term: 44";

class KvServiceTest : public ServiceTest {
 protected:
  KvServiceTest() : ServiceTest({.max_request_bytes = 1000, .max_txn_ops = 4}) {}

  std::shared_ptr<FakeCall> Txn(const pb::TxnRequest& request) {
    return Unary("/etcdserverpb.KV/Txn", request.SerializeAsString());
  }
};

TEST_F(KvServiceTest, ARangeIsPassedOnAndAnswered) {
  pb::RangeRequest request;
  request.set_key("a");
  request.set_range_end("b");
  request.set_limit(5);
  request.set_serializable(true);
  backend_.answer_range = RangeResult{.revision = {40}, .more = true, .count = 9};
  backend_.answer_range->kvs.Add("a", EncodeKeyValueRest({1}, {2}, 3, "v", {0}));
  const auto response = Parse<pb::RangeResponse>(*Unary("/etcdserverpb.KV/Range", request.SerializeAsString()));
  EXPECT_EQ(response.ShortDebugString(),
            "header { cluster_id: 11 member_id: 22 revision: 40 raft_term: 44 } "
            "kvs { key: \"a\" create_revision: 1 mod_revision: 2 version: 3 value: \"v\" } more: true count: 9");
  EXPECT_EQ(*backend_.ranged, (RangeRequest{.key = "a", .range_end = "b", .limit = 5, .serializable = true}));
}

class TwoKeysRest final : public RangeRest {
 public:
  TwoKeysRest() { Add("c"), Add("d"); }
  size_t size_bytes() const override { return size_bytes_; }
  size_t count() const override { return 2; }
  KeyValueList Next(size_t) override {
    KeyValueList list = std::move(lists_.front());
    lists_.erase(lists_.begin());
    size_bytes_ -= list.size_bytes();
    return list;
  }

 private:
  void Add(const char* key) {
    lists_.emplace_back().Add(key, EncodeKeyValueRest({1}, {2}, 3, std::string(5000, *key), {0}));
    size_bytes_ += lists_.back().size_bytes();
  }
  std::vector<KeyValueList> lists_;
  size_t size_bytes_ = 0;
};

TEST_F(KvServiceTest, TheRestOfALargeAnswerFollowsItsBeginning) {
  backend_.answer_range =
      RangeResult{.revision = {40}, .more = true, .count = 9, .rest = std::make_shared<TwoKeysRest>()};
  backend_.answer_range->kvs.Add("b", EncodeKeyValueRest({1}, {2}, 3, "v", {0}));
  const auto response = Parse<pb::RangeResponse>(*Unary("/etcdserverpb.KV/Range", "\x0a\x01k"));
  ASSERT_EQ(response.kvs_size(), 3);
  EXPECT_EQ(response.kvs(0).key() + response.kvs(1).key() + response.kvs(2).key(), "bcd");
  EXPECT_EQ(response.kvs(2).value(), std::string(5000, 'd'));
  EXPECT_EQ(response.header().revision(), 40);
  EXPECT_TRUE(response.more());
  EXPECT_EQ(response.count(), 9);
}

TEST_F(KvServiceTest, ErrorsOfTheBackendGoToTheClientAsTheyAre) {
  backend_.answer_range = ErrCompacted();
  EXPECT_EQ(*Unary("/etcdserverpb.KV/Range", "\x0a\x01k")->finished, ErrCompacted());
  backend_.answer_write = ErrLeaderChanged();
  EXPECT_EQ(*Unary("/etcdserverpb.KV/Put", "\x0a\x01k")->finished, ErrLeaderChanged());
}

TEST_F(KvServiceTest, WhatIsInvalidIsNotPassedOn) {
  EXPECT_EQ(*Unary("/etcdserverpb.KV/Range", "")->finished, ErrEmptyKey());
  EXPECT_EQ(*Unary("/etcdserverpb.KV/Range", "\x0a\x01k\x28\x03")->finished, ErrInvalidSortOption());
  EXPECT_EQ(*Unary("/etcdserverpb.KV/Put", "")->finished, ErrEmptyKey());
  EXPECT_EQ(*Unary("/etcdserverpb.KV/DeleteRange", "")->finished, ErrEmptyKey());
  pb::TxnRequest txn;
  txn.add_success();
  EXPECT_EQ(*Txn(txn)->finished, ErrKeyNotFound());
  EXPECT_FALSE(backend_.ranged || backend_.proposed || backend_.read);
}

TEST_F(KvServiceTest, APutIsProposedAndAnswered) {
  backend_.answer_write =
      PutResult{.revision = {34}, .prev_kv = EncodeKeyValue("k", EncodeKeyValueRest({1}, {2}, 3, "old", {0}))};
  const auto response = Parse<pb::PutResponse>(*Unary("/etcdserverpb.KV/Put", "\x0a\x01k\x12\x01v"));
  EXPECT_EQ(response.header().revision(), 34);
  EXPECT_EQ(response.prev_kv().value(), "old");
  EXPECT_EQ(std::get<PutRequest>(*backend_.proposed), (PutRequest{.key = "k", .value = "v"}));
}

TEST_F(KvServiceTest, AHeaderWithoutARevisionOfItsOwnHasTheCurrentOne) {
  backend_.answer_write = PutResult{};
  const auto response = Parse<pb::PutResponse>(*Unary("/etcdserverpb.KV/Put", "\x0a\x01k"));
  EXPECT_EQ(response.header().ShortDebugString(), kFullHeader);
}

TEST_F(KvServiceTest, ADeleteIsProposedAndAnswered) {
  DeleteRangeResult result{.revision = {35}, .deleted = 1};
  result.prev_kvs.Add("k", EncodeKeyValueRest({1}, {2}, 3, "old", {0}));
  backend_.answer_write = std::move(result);
  const auto response =
      Parse<pb::DeleteRangeResponse>(*Unary("/etcdserverpb.KV/DeleteRange", "\x0a\x01k\x12\x01z\x18\x01"));
  EXPECT_EQ(response.deleted(), 1);
  EXPECT_EQ(response.prev_kvs(0).value(), "old");
  EXPECT_EQ(std::get<DeleteRangeRequest>(*backend_.proposed),
            (DeleteRangeRequest{.key = "k", .range_end = "z", .prev_kv = true}));
}

TEST_F(KvServiceTest, ATransactionOfRangesAloneIsReadAndNotProposed) {
  pb::TxnRequest txn;
  txn.add_success()->mutable_request_range()->set_key("a");
  TxnResult result{.revision = {36}, .succeeded = true};
  result.responses.push_back(RangeResult{.revision = {36}, .count = 1});
  backend_.answer_read = std::move(result);
  const auto response = Parse<pb::TxnResponse>(*Txn(txn));
  EXPECT_EQ(response.ShortDebugString(),
            "header { cluster_id: 11 member_id: 22 revision: 36 raft_term: 44 } succeeded: true "
            "responses { response_range { header { revision: 36 } count: 1 } }");
  EXPECT_TRUE(backend_.read.has_value());
  EXPECT_FALSE(backend_.proposed.has_value());
}

TEST_F(KvServiceTest, AnEmptyTransactionIsReadAndANestedOneIsProposed) {
  EXPECT_TRUE(Txn({})->finished->ok());
  EXPECT_FALSE(backend_.proposed.has_value());
  pb::TxnRequest nested;
  nested.add_success()->mutable_request_txn()->add_success()->mutable_request_range()->set_key("a");
  backend_.answer_write = TxnResult{.revision = {37}};
  EXPECT_EQ(Parse<pb::TxnResponse>(*Txn(nested)).header().revision(), 37);
  EXPECT_TRUE(std::holds_alternative<TxnRequest>(*backend_.proposed));
}

TEST_F(KvServiceTest, AFullStoreSaysSoBeforeAnythingElse) {
  pb::TxnRequest too_many;
  for (int i = 0; i < 5; ++i) too_many.add_success()->mutable_request_put()->set_key(std::string(1, 'a'));
  EXPECT_EQ(*Unary("/etcdserverpb.KV/Put", "")->finished, ErrEmptyKey());
  EXPECT_EQ(*Txn(too_many)->finished, ErrTooManyOps());
  backend_.is_full = true;
  EXPECT_EQ(*Unary("/etcdserverpb.KV/Put", "")->finished, ErrNoSpace());
  EXPECT_EQ(*Txn(too_many)->finished, ErrNoSpace());
  EXPECT_TRUE(std::holds_alternative<TxnRequest>(*backend_.rejected));
  EXPECT_EQ(*Unary("/etcdserverpb.KV/Put", "\x0a")->finished, ErrMalformedRequest());
  EXPECT_FALSE(backend_.proposed.has_value());
}

TEST_F(KvServiceTest, ATransactionIsHeldToTheConfiguredNumberOfOperations) {
  pb::TxnRequest txn;
  for (int i = 0; i < 4; ++i)
    txn.add_success()->mutable_request_put()->set_key(std::string(1, static_cast<char>('a' + i)));
  backend_.answer_write = TxnResult{};
  EXPECT_TRUE(Txn(txn)->finished->ok());
  txn.add_success()->mutable_request_put()->set_key("e");
  EXPECT_EQ(*Txn(txn)->finished, ErrTooManyOps());
  pb::TxnRequest duplicate;
  for (int i = 0; i < 2; ++i) duplicate.add_failure()->mutable_request_put()->set_key("a");
  EXPECT_EQ(*Txn(duplicate)->finished, ErrDuplicateKey());
}

TEST_F(KvServiceTest, AWriteThatWouldMakeATooLargeEntryIsRefused) {
  backend_.answer_write = PutResult{};
  pb::PutRequest put;
  put.set_key("k");
  put.set_value(std::string(977, 'v'));  // 983 bytes, and 17 around them: the limit exactly
  ASSERT_EQ(put.ByteSizeLong(), 983u);
  EXPECT_TRUE(Unary("/etcdserverpb.KV/Put", put.SerializeAsString())->finished->ok());
  put.mutable_value()->push_back('v');
  EXPECT_EQ(*Unary("/etcdserverpb.KV/Put", put.SerializeAsString())->finished, ErrRequestTooLarge());
  pb::TxnRequest txn;
  *txn.add_success()->mutable_request_put() = put;
  EXPECT_EQ(*Txn(txn)->finished, ErrRequestTooLarge());
  put.clear_key();
  EXPECT_EQ(*Unary("/etcdserverpb.KV/Put", put.SerializeAsString())->finished, ErrEmptyKey())
      << "validation comes first";
}

TEST_F(KvServiceTest, ALargeReadIsNotMeasured) {
  pb::TxnRequest txn;
  txn.add_success()->mutable_request_range()->set_key(std::string(5000, 'k'));
  EXPECT_TRUE(Txn(txn)->finished->ok());
}

TEST_F(KvServiceTest, ACompactionIsProposedAndItsAnswerIsAHeader) {
  backend_.answer_write = CompactionResult{.revision = {38}};
  const auto response = Parse<pb::CompactionResponse>(*Unary("/etcdserverpb.KV/Compact", "\x08\x07\x10\x01"));
  EXPECT_EQ(response.ShortDebugString(), "header { cluster_id: 11 member_id: 22 revision: 38 raft_term: 44 }");
  EXPECT_EQ(std::get<CompactionRequest>(*backend_.proposed), (CompactionRequest{.revision = {7}, .physical = true}));
}

}  // namespace
}  // namespace regent::api
