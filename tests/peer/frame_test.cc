// Frames: whole ones come out however the bytes come in, broken ones are told, memory follows what has come.
#include "server/peer/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "server/peer/hello.h"

namespace regent::server {
namespace {

using ::testing::HasSubstr;

std::string MakeFrame(FrameKind kind, std::string_view payload) {
  std::string frame = BeginFrame(kind);
  frame += payload;
  EndFrame(frame);
  return frame;
}

void Feed(FrameReader& reader, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::span<char> room = reader.Room();
    const size_t size = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), size);
    reader.Filled(size);
    bytes.remove_prefix(size);
  }
}

TEST(FrameTest, TheWorkedExampleOfTheHeader) {
  EXPECT_EQ(MakeFrame(FrameKind::kRefusal, "no"), std::string("\x03\0\0\0\x8c\xc7\x87\xa2\x03no", 11));
}

TEST(FrameTest, FramesComeOutWholeHoweverTheStreamIsCut) {
  std::mt19937_64 random(1);
  std::string stream;
  std::vector<std::string> payloads;
  for (int i = 0; i < 300; ++i) {
    payloads.emplace_back(random() % 10 == 0 ? random() % 200'000 : random() % 100, static_cast<char>(i));
    stream += MakeFrame(FrameKind::kRaftMessage, payloads.back());
  }
  for (const size_t piece_max : {size_t{1}, size_t{7}, size_t{4096}, size_t{1 << 20}}) {
    FrameReader reader(1 << 20);
    size_t seen = 0;
    for (size_t at = 0; at < stream.size();) {
      const std::span<char> room = reader.Room();
      const size_t size = std::min({room.size(), stream.size() - at, 1 + random() % piece_max});
      std::memcpy(room.data(), stream.data() + at, size);
      reader.Filled(size);
      at += size;
      while (true) {
        const auto frame = reader.Next();
        ASSERT_TRUE(frame.ok()) << frame.status();
        if (!frame->has_value()) break;
        ASSERT_LT(seen, payloads.size());
        EXPECT_EQ((*frame)->kind, FrameKind::kRaftMessage);
        EXPECT_EQ((*frame)->payload, payloads[seen]) << seen;
        ++seen;
      }
    }
    EXPECT_EQ(seen, payloads.size()) << piece_max;
  }
}

TEST(FrameTest, EveryFlippedBitIsSeen) {
  const std::string frame = MakeFrame(FrameKind::kRaftMessage, "a message of a few bytes");
  for (size_t bit = 0; bit < frame.size() * 8; ++bit) {
    std::string broken = frame;
    broken[bit / 8] = static_cast<char>(broken[bit / 8] ^ 1 << bit % 8);
    FrameReader reader(frame.size());
    Feed(reader, broken);
    const auto found = reader.Next();
    // A shorter length ends in a wrong checksum, a longer one waits for bytes that never come or is too long.
    EXPECT_TRUE(!found.ok() || !found->has_value()) << "bit " << bit;
  }
}

TEST(FrameTest, AnAnnouncedLengthCostsNothingBeforeItsBytesAreHere) {
  FrameReader reader(64 << 20);
  Feed(reader, MakeFrame(FrameKind::kRaftMessage, std::string(60 << 20, 'x')).substr(0, 100));
  const auto found = reader.Next();
  ASSERT_TRUE(found.ok());
  EXPECT_FALSE(found->has_value());
  reader.Room();
  EXPECT_LT(reader.held_bytes(), size_t{1} << 20);
}

TEST(FrameTest, TooLongAndEmptyFramesAreRefused) {
  for (const uint32_t bytes : {0u, 4097u, UINT32_MAX}) {
    std::string header(kFrameHeaderBytes, '\0');
    std::memcpy(header.data(), &bytes, sizeof bytes);
    FrameReader reader(4096);
    Feed(reader, header);
    const auto found = reader.Next();
    ASSERT_FALSE(found.ok()) << bytes;
    EXPECT_THAT(std::string(found.status().message()), HasSubstr("where 1 to 4096 may be"));
  }
}

TEST(HelloTest, ComesBackAsItWasAndSkipsWhatALaterVersionAppends) {
  const Hello hello{.version_min = 1,
                    .version_max = 7,
                    .cluster_id = 0x1122334455667788,
                    .from = {3},
                    .to = {UINT64_MAX},
                    .urls = {{.secure = true, .address = {.host = "db-3.example", .port = 2380}},
                             {.address = {.is_unix = true, .host = "/run/peer.sock"}}},
                    .incarnation = 0x99aabbccddeeff00};
  const size_t urls_bytes = 1 + 5 + 12 + 5 + 14;
  const size_t incarnation_bytes = 8;
  const std::string frame = EncodeHello(hello);
  FrameReader reader(kHelloBytesMax);
  Feed(reader, frame);
  const auto found = reader.Next();
  ASSERT_TRUE(found.ok() && found->has_value());
  const std::string payload((*found)->payload);
  EXPECT_EQ(*DecodeHello(payload), hello);
  EXPECT_EQ(*DecodeHello(payload + "more"), hello);
  Hello without_incarnation = hello;
  without_incarnation.incarnation = 0;
  Hello without_both = without_incarnation;
  without_both.urls.clear();
  for (size_t size = 0; size < payload.size(); ++size) {
    const auto cut = DecodeHello(payload.substr(0, size));
    if (size == payload.size() - urls_bytes - incarnation_bytes) {
      EXPECT_EQ(*cut, without_both);
    } else if (size == payload.size() - incarnation_bytes) {
      EXPECT_EQ(*cut, without_incarnation);
    } else {
      EXPECT_FALSE(cut.ok()) << size;
    }
  }
}

TEST(HelloTest, UrlsBeyondTheLimitsAreLeftOutAndNotBelieved) {
  Hello hello{.from = {3}};
  hello.urls.push_back({.address = {.host = std::string(kHelloHostBytesMax + 1, 'x'), .port = 1}});
  for (size_t i = 0; i < kHelloUrlsMax + 3; ++i) hello.urls.push_back({.address = {.host = "h", .port = 2}});
  const std::string frame = EncodeHello(hello);
  FrameReader reader(kHelloBytesMax);
  Feed(reader, frame);
  std::string payload((*reader.Next())->payload);
  hello.urls.erase(hello.urls.begin());
  hello.urls.resize(kHelloUrlsMax);
  EXPECT_EQ(*DecodeHello(payload), hello);
  payload[payload.size() - sizeof hello.incarnation - kHelloUrlsMax * 6 - 1] = kHelloUrlsMax + 1;
  EXPECT_FALSE(DecodeHello(payload).ok());
}

TEST(HelloTest, TheNewestCommonVersionIsChosen) {
  EXPECT_EQ(CommonVersion({.version_min = 1, .version_max = 9}), kPeerVersionMax);
  EXPECT_EQ(CommonVersion({.version_min = kPeerVersionMax + 1, .version_max = 9}), std::nullopt);
  EXPECT_EQ(CommonVersion({.version_min = 0, .version_max = 0}), std::nullopt);
}

}  // namespace
}  // namespace regent::server
