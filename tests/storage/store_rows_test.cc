// The bytes: rows, event records, commands.
#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "storage/command.h"
#include "storage/counters.h"
#include "storage/event_row.h"
#include "storage/keys.h"

namespace regent::storage {
namespace {

std::string RandomKey(std::mt19937& random) {
  std::string key(random() % 6, '\0');
  for (char& byte : key) byte = std::string("\x00\x01\x02\x7f\xfe\xff", 6)[random() % 6];
  return key;
}

TEST(StoreRows, VersionRowsStandInTheOrderOfKeysThenNewestFirst) {
  std::mt19937 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const std::string a = RandomKey(random);
    const std::string b = RandomKey(random);
    const Position at{static_cast<int64_t>(random() % 3), static_cast<uint32_t>(random() % 3)};
    const Position bt{static_cast<int64_t>(random() % 3), static_cast<uint32_t>(random() % 3)};
    const std::string row_a = VersionRow(a, at);
    const std::string row_b = VersionRow(b, bt);
    ASSERT_EQ(row_a < row_b, a < b || (a == b && at > bt));
    ASSERT_EQ(row_a < VersionRowsEnd(b.empty() ? "x" : b), b.empty() ? a < "x" : b == std::string("\0", 1) || a < b);
    ASSERT_EQ(KeyOfPrefix(PrefixOfVersionRow(row_a)), a);
    ASSERT_EQ(PositionOfVersionRow(row_a), at);
    ASSERT_LT(row_a, AfterKeyPrefix(KeyPrefix(a)));
    if (a < b) {
      ASSERT_LT(AfterKeyPrefix(KeyPrefix(a)), row_b);
    }
  }
}

TEST(StoreRows, TheExampleInTheHeaderIsRight) {
  EXPECT_EQ(VersionRow(std::string("a\0b", 3), {5, 0}),
            std::string("\x76\x61\x00\xff\x62\x00\x01\xff\xff\xff\xff\xff\xff\xff\xfa\xff\xff\xff\xff", 19));
  const EventRecord update{
      .kind = EventKind::kUpdate, .dead_before = 0, .predecessor = {3, 0}, .predecessor_weight = 80, .key = "a"};
  EXPECT_EQ(EncodeEventRecord({5, 0}, update), std::string("\x01\x00\x02\x00\x50\x61", 6));
  const Command put{.request = {1, 2}, .body = api::PutRequest{.key = "a", .value = "x"}};
  EXPECT_EQ(EncodeCommand(put), std::string("\x01\x01\x02\x00\x01\x01\x61\x01\x78\x00\x00", 11));
}

TEST(StoreRows, EventRecordsAndCountersComeBack) {
  const EventRecord record{.kind = EventKind::kDelete,
                           .dead_before = int64_t{1} << 50,
                           .predecessor = {7, 4'000'000'000u},
                           .predecessor_weight = 1234567,
                           .key = std::string_view("k\0k", 3)};
  const std::string value = EncodeEventRecord({900, 3}, record);
  const EventRecord back = DecodeEventRecord({900, 3}, value);
  EXPECT_EQ(back.kind, record.kind);
  EXPECT_EQ(back.dead_before, record.dead_before);
  EXPECT_EQ(back.predecessor, record.predecessor);
  EXPECT_EQ(back.predecessor_weight, record.predecessor_weight);
  EXPECT_EQ(back.key, record.key);
  const Counters counters{.applied_index = 1,
                          .applied_term = 2,
                          .revision = 3,
                          .compacted = -1,
                          .size = 5,
                          .dead = 6,
                          .dead_released = 7,
                          .digest = ~uint64_t{0}};
  EXPECT_EQ(EncodeCounters(DecodeCounters(EncodeCounters(counters))), EncodeCounters(counters));
  EXPECT_EQ(DecodeCounters(EncodeCounters(counters)).compacted, -1);
}

api::RequestOp RandomOperation(std::mt19937& random, int depth);
api::TxnRequest RandomTxn(std::mt19937& random, int depth) {
  api::TxnRequest txn;
  for (size_t i = random() % 3; i > 0; --i) {
    txn.compare.push_back({.result = static_cast<api::Compare::Result>(random() % 4),
                           .target = static_cast<api::Compare::Target>(random() % 5),
                           .key = RandomKey(random),
                           .range_end = RandomKey(random),
                           .number = static_cast<int64_t>(random()) - (1 << 30),
                           .value = RandomKey(random)});
  }
  for (size_t i = random() % 4; i > 0; --i) txn.success.push_back(RandomOperation(random, depth + 1));
  for (size_t i = random() % 4; i > 0; --i) txn.failure.push_back(RandomOperation(random, depth + 1));
  return txn;
}

api::RequestOp RandomOperation(std::mt19937& random, int depth) {
  switch (random() % (depth > 3 ? 3 : 4)) {
    case 0: {
      api::RangeRequest range{.key = RandomKey(random), .limit = static_cast<int64_t>(random() % 5) - 2};
      if (random() % 2 == 0) range.min_create_revision.value = -7;
      range.sort_order = static_cast<api::SortOrder>(random() % 3);
      range.sort_target = static_cast<api::SortTarget>(random() % 5);
      range.keys_only = random() % 2 == 0;
      return range;
    }
    case 1:
      return api::PutRequest{.key = RandomKey(random), .value = RandomKey(random), .lease = {-5}, .prev_kv = true};
    case 2:
      return api::DeleteRangeRequest{.key = RandomKey(random), .range_end = RandomKey(random), .prev_kv = true};
    default:
      return std::make_shared<const api::TxnRequest>(RandomTxn(random, depth));
  }
}

TEST(StoreCommand, EveryCommandComesBackAndEncodesToTheSameBytes) {
  std::mt19937 random(3);
  std::vector<api::WriteRequest> bodies = {
      api::PutRequest{.key = "k", .value = "v", .lease = {INT64_MIN}, .ignore_lease = true},
      api::DeleteRangeRequest{.key = "k", .range_end = "z"},
      api::CompactionRequest{.revision = {INT64_MAX}, .physical = true},
      api::LeaseGrantRequest{.id = {-1}, .ttl = 3},
      api::LeaseRevokeRequest{.id = {INT64_MIN}},
      api::LeaseExpiryRequest{.ids = {{1}, {INT64_MAX}, {INT64_MIN}}},
      api::LeaseExpiryRequest{},
      api::AlarmRequest{
          .action = api::AlarmAction::kDeactivate, .member_id = ~uint64_t{0}, .alarm = api::AlarmType::kCorrupt},
  };
  for (int i = 0; i < 500; ++i) bodies.push_back(RandomTxn(random, 0));
  for (api::WriteRequest& body : bodies) {
    const Command command{.request = {~uint64_t{0}, 1}, .leader_term = 9, .body = std::move(body)};
    const std::string bytes = EncodeCommand(command);
    const absl::StatusOr<Command> back = DecodeCommand(bytes);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->request, command.request);
    EXPECT_EQ(back->leader_term, 9u);
    EXPECT_EQ(EncodeCommand(*back), bytes);
    for (size_t cut = 0; cut < bytes.size(); cut += 1 + bytes.size() / 40) {
      EXPECT_FALSE(DecodeCommand(std::string_view(bytes).substr(0, cut)).ok());
    }
    EXPECT_FALSE(DecodeCommand(bytes + "x").ok());
  }
}

TEST(StoreCommand, RandomBytesNeverBreakTheDecoder) {
  std::mt19937 random(4);
  const std::string good = EncodeCommand({.body = RandomTxn(random, 0)});
  for (int i = 0; i < 100'000; ++i) {
    std::string bytes = good.substr(0, 4);
    for (size_t size = random() % 40; size > 0; --size) bytes.push_back(static_cast<char>(random()));
    (void)DecodeCommand(bytes);
    std::string flipped = good;
    flipped[random() % flipped.size()] = static_cast<char>(random());
    (void)DecodeCommand(flipped);
  }
}

TEST(StoreCommand, NestingBeyondTheLimitIsMalformed) {
  const auto nested = [](int depth) {
    auto txn = std::make_shared<const api::TxnRequest>();
    for (int i = 1; i < depth; ++i) txn = std::make_shared<const api::TxnRequest>(api::TxnRequest{.success = {txn}});
    return EncodeCommand({.body = *txn});
  };
  EXPECT_TRUE(DecodeCommand(nested(1000)).ok());
  EXPECT_FALSE(DecodeCommand(nested(1001)).ok());
}

}  // namespace
}  // namespace regent::storage
