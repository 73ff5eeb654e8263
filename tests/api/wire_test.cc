#include "api/contract/wire.h"

#include <limits>
#include <random>

#include "api/contract/proto/kv.pb.h"
#include "api/contract/proto/range.pb.h"
#include "api/contract/proto/watch.pb.h"
#include "api/contract/results.h"
#include "api/contract/utf8.h"
#include "gtest/gtest.h"
#include "tests/api/oracle.h"

namespace regent::api {
namespace {

std::string RestOf(const mvccpb::KeyValue& kv) {
  return EncodeKeyValueRest({kv.create_revision()}, {kv.mod_revision()}, kv.version(), kv.value(), {kv.lease()});
}

TEST(Wire, TheExampleOfTheHeaderHasTheBytesThatItSays) {
  EXPECT_EQ(EncodeKeyValue("a", EncodeKeyValueRest({2}, {3}, 2, "x", {0})),
            std::string("\x0a\x01"
                        "a\x10\x02\x18\x03\x20\x02\x2a\x01x"));
}

TEST(Wire, AKeyValueHasTheBytesOfTheProtobufLibrary) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    mvccpb::KeyValue kv;
    FillAtRandom(kv, random);
    ASSERT_EQ(EncodeKeyValue(kv.key(), RestOf(kv)), kv.SerializeAsString()) << kv.ShortDebugString();
    const std::string encoded = RestOf(kv);
    const auto rest = DecodeKeyValueRest(encoded);
    ASSERT_TRUE(rest.ok());
    ASSERT_EQ(rest->create_revision.value, kv.create_revision());
    ASSERT_EQ(rest->mod_revision.value, kv.mod_revision());
    ASSERT_EQ(rest->version, kv.version());
    ASSERT_EQ(rest->value, kv.value());
    ASSERT_EQ(rest->lease.value, kv.lease());
  }
}

TEST(Wire, ARestThatIsNotOursIsDataLoss) {
  for (const std::string& bytes : {std::string("\x18\x01\x10\x01"), std::string("\x0a\x01k"), std::string("\x12\x01k"),
                                   std::string("\x2a\x05k"), std::string("\x38\x01")}) {
    EXPECT_EQ(DecodeKeyValueRest(bytes).status().code(), absl::StatusCode::kDataLoss);
  }
}

TEST(Wire, AKeyValueListIsTheRepeatedFieldOfTheAnswer) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 300; ++i) {
    etcdserverpb::RangeResponse range;
    etcdserverpb::DeleteRangeResponse deleted;
    KeyValueList kvs(2), prev_kvs(3);
    for (uint64_t n = random() % 40; n > 0; --n) {
      mvccpb::KeyValue& kv = *range.add_kvs();
      FillAtRandom(kv, random);
      *deleted.add_prev_kvs() = kv;
      kvs.Add(kv.key(), RestOf(kv));
      prev_kvs.Add(kv.key(), RestOf(kv));
    }
    std::string joined, prev_joined;
    for (const std::string& chunk : kvs.chunks()) joined += chunk;
    for (const std::string& chunk : prev_kvs.chunks()) prev_joined += chunk;
    ASSERT_EQ(joined, range.SerializeAsString());
    ASSERT_EQ(prev_joined, deleted.SerializeAsString());
    ASSERT_EQ(kvs.size_bytes(), joined.size());
    ASSERT_EQ(kvs.count(), range.kvs_size());
  }
}

TEST(Wire, AKeyValueListGrowsInChunksAndGivesAHugeValueOneOfItsOwn) {
  KeyValueList kvs;
  const std::string rest = EncodeKeyValueRest({1}, {1}, 1, std::string(10'000, 'v'), {0});
  for (int i = 0; i < 100; ++i) kvs.Add("key", rest);
  kvs.Add("huge", EncodeKeyValueRest({1}, {1}, 1, std::string(1'000'000, 'v'), {0}));
  ASSERT_EQ(kvs.chunks().size(), 5u);
  for (size_t i = 0; i + 1 < kvs.chunks().size(); ++i) EXPECT_LE(kvs.chunks()[i].size(), KeyValueList::kChunkBytes);
  EXPECT_GT(kvs.chunks().back().size(), 1'000'000u);
}

TEST(Wire, AnEventHasTheBytesOfTheProtobufLibrary) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 10'000; ++i) {
    etcdserverpb::WatchResponse response;
    mvccpb::Event& event = *response.add_events();
    event.set_type(random() % 2 == 0 ? mvccpb::Event::PUT : mvccpb::Event::DELETE);
    FillAtRandom(*event.mutable_kv(), random);
    std::string previous;
    const bool has_previous = random() % 2 == 0;
    if (has_previous) {
      FillAtRandom(*event.mutable_prev_kv(), random);
      event.mutable_prev_kv()->set_key(event.kv().key());
      previous = RestOf(event.prev_kv());
    }
    const auto type = event.type() == mvccpb::Event::PUT ? EventType::kPut : EventType::kDelete;
    ASSERT_EQ(EncodeWatchEvent(type, event.kv().key(), RestOf(event.kv()),
                               has_previous ? std::optional<std::string_view>(previous) : std::nullopt),
              response.SerializeAsString());
  }
}

TEST(Wire, VarintsOfEveryLengthComeBack) {
  for (int bits = 0; bits <= 64; ++bits) {
    const uint64_t value = bits == 64 ? std::numeric_limits<uint64_t>::max() : (uint64_t{1} << bits) - 1;
    std::string bytes;
    AppendTag(bytes, 1, WireType::kVarint);
    AppendVarint(bytes, value);
    ASSERT_EQ(bytes.size(), 1 + VarintSize(value));
    WireReader reader(bytes);
    const auto field = reader.Next();
    ASSERT_TRUE(field.has_value());
    EXPECT_EQ(field->varint, value);
    EXPECT_FALSE(reader.Next().has_value());
    EXPECT_FALSE(reader.malformed());
  }
}

TEST(Wire, AGroupIsSkippedOnlyWhenItEndsAsItBegan) {
  const auto malformed = [](std::string_view bytes) {
    WireReader reader(bytes);
    while (reader.Next()) {
    }
    return reader.malformed();
  };
  EXPECT_FALSE(malformed("\x0b\x0c"));
  EXPECT_TRUE(malformed("\x0b\x14"));
  EXPECT_TRUE(malformed("\x0b"));
  EXPECT_TRUE(malformed("\x0c"));
  EXPECT_TRUE(malformed(std::string(100'000, '\x0b')));
}

TEST(Utf8, KnowsTheBoundsOfEveryLength) {
  for (const char* text : {"", "abc", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                           "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "3.7"}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
  }
  for (const char* text : {"\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe1\x80",
                           "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xe2\x82"}) {
    EXPECT_FALSE(IsUtf8(text));
  }
}

}  // namespace
}  // namespace regent::api
