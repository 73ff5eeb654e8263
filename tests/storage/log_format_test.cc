#include "storage/log_format.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "storage/crc32c.h"
#include "storage/log_bytes.h"

namespace regent::storage {
namespace {

std::string FromHexDump(std::string_view text) {
  std::string bytes;
  std::string digits;
  for (const char c : text) {
    if (c == ' ' || c == '\n') continue;
    digits += c;
    if (digits.size() < 2) continue;
    bytes += static_cast<char>(std::stoi(digits, nullptr, 16));
    digits.clear();
  }
  return bytes;
}

std::string ToHexDump(std::string_view bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
    text += i % 16 == 15 ? '\n' : ' ';
  }
  return text;
}

TEST(Crc32c, KnownVectorsComeOutByInstructionAndByTable) {
  const std::string ascending = [] {
    std::string bytes;
    for (char c = 0; c < 32; ++c) bytes += c;
    return bytes;
  }();
  const std::string descending(ascending.rbegin(), ascending.rend());
  const std::pair<std::string, uint32_t> vectors[] = {{"", 0},
                                                      {"123456789", 0xE3069283},
                                                      {"a", 0xC1D04330},
                                                      {std::string(32, '\0'), 0x8A9136AA},
                                                      {std::string(32, '\xff'), 0x62A8AB43},
                                                      {ascending, 0x46DD794E},
                                                      {descending, 0x113FDB5C}};
  for (const auto& [bytes, expected] : vectors) {
    EXPECT_EQ(Crc32c(bytes), expected) << bytes;
    EXPECT_EQ(ExtendCrc32cByTable(0, bytes), expected) << bytes;
  }
}

TEST(Crc32c, AnyCutGivesTheSame) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random() % 100, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    const size_t cut = random() % (bytes.size() + 1);
    const std::string_view view = bytes;
    EXPECT_EQ(ExtendCrc32c(Crc32c(view.substr(0, cut)), view.substr(cut)), ExtendCrc32cByTable(0, view));
  }
}

TEST(LogFormat, TheWorkedExampleOfTheHeaderIsWhatIsWritten) {
  SegmentHeader header{.identity = {.cluster_id = 0x11, .node_id = 0x22}, .sequence = 1, .seed = 0x33};
  const std::string segment = EncodeSegmentHeader(&header);
  ASSERT_EQ(segment.size(), kSegmentHeaderBytes);
  EXPECT_EQ(ToHexDump(segment.substr(0, 64)), ToHexDump(FromHexDump(R"(
    52 65 67 6e 74 4c 6f 67 01 00 00 00 b0 72 9c 00
    11 00 00 00 00 00 00 00 22 00 00 00 00 00 00 00
    01 00 00 00 00 00 00 00 33 00 00 00 00 00 00 00
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00)")));
  EXPECT_EQ(segment.find_first_not_of('\0', 64), std::string::npos);

  BatchEncoder encoder;
  const LogPosition where{.sequence = 1, .offset = kSegmentHeaderBytes};
  encoder.Begin(0x33, where);
  encoder.Add(RecordKind::kNormal, 1, 1, "put");
  const std::string batch(encoder.Finish(where, header.checksum));
  ASSERT_EQ(batch.size(), kSectorBytes);
  EXPECT_EQ(batch.find_first_not_of('\0', 96), std::string::npos);
  EXPECT_EQ(ToHexDump(batch.substr(0, 96)), ToHexDump(FromHexDump(R"(
    52 62 61 74 58 61 26 c8 60 00 00 00 00 00 00 00
    01 00 00 00 00 00 00 00 00 10 00 00 00 00 00 00
    01 00 00 00 00 00 00 00 00 10 00 00 00 00 00 00
    b0 72 9c 00 4f c6 f4 f3
    10 e7 7e d3 03 00 00 00 01 00 00 00 00 00 00 00
    01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00
    70 75 74 00 00 00 00 00)")));
}

TEST(LogFormat, ABatchIsReadBackOnlyWhereItWasWritten) {
  BatchEncoder encoder;
  const LogPosition where{.sequence = 7, .offset = 8192};
  encoder.Begin(99, where);
  encoder.Add(RecordKind::kConfiguration, 3, 12, "abcdefgh");
  const std::string batch(encoder.Finish({.sequence = 7, .offset = 4096}, 5));
  const auto header = DecodeBatchHeader(batch, 99, where);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->bytes, kBatchHeaderBytes + RecordBytes(8));
  EXPECT_EQ(batch.size(), kSectorBytes);
  EXPECT_EQ(header->previous, 5u);
  EXPECT_EQ(header->synced_through, (LogPosition{.sequence = 7, .offset = 4096}));
  EXPECT_EQ(header->checksum, encoder.checksum());
  EXPECT_FALSE(DecodeBatchHeader(batch, 98, where).has_value());
  EXPECT_FALSE(DecodeBatchHeader(batch, 99, {.sequence = 8, .offset = 8192}).has_value());
  EXPECT_FALSE(DecodeBatchHeader(batch, 99, {.sequence = 7, .offset = 8200}).has_value());

  const std::string_view record = std::string_view(batch).substr(kBatchHeaderBytes);
  const LogPosition record_where{.sequence = 7, .offset = 8192 + kBatchHeaderBytes};
  const auto decoded = DecodeRecord(record, 99, record_where);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->kind, RecordKind::kConfiguration);
  EXPECT_EQ(decoded->term, 3u);
  EXPECT_EQ(decoded->index, 12u);
  EXPECT_EQ(decoded->payload, "abcdefgh");
  EXPECT_EQ(decoded->bytes, RecordBytes(8));
  EXPECT_FALSE(DecodeRecord(record, 98, record_where).has_value());
  EXPECT_FALSE(DecodeRecord(record, 99, {.sequence = 6, .offset = record_where.offset}).has_value());
  EXPECT_FALSE(DecodeRecord(record, 99, {.sequence = 7, .offset = record_where.offset + 8}).has_value());
}

TEST(LogFormat, EveryFlippedBitOfABatchIsSeen) {
  BatchEncoder encoder;
  const LogPosition where{.sequence = 1, .offset = 4096};
  encoder.Begin(4, where);
  encoder.Add(RecordKind::kNormal, 1, 1, "hello");
  const std::string batch(encoder.Finish(where, 0).substr(0, kBatchHeaderBytes + RecordBytes(5)));
  for (size_t bit = 0; bit < batch.size() * 8; ++bit) {
    std::string damaged = batch;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const std::string_view record = std::string_view(damaged).substr(kBatchHeaderBytes);
    const bool header_good = DecodeBatchHeader(damaged, 4, where).has_value();
    const bool record_good = DecodeRecord(record, 4, {.sequence = 1, .offset = 4096 + kBatchHeaderBytes}).has_value();
    EXPECT_FALSE(header_good && record_good) << "bit " << bit;
  }
}

TEST(LogFormat, EveryPrefixOfEverythingIsRefused) {
  SegmentHeader header{.sequence = 1};
  const std::string segment = EncodeSegmentHeader(&header);
  BatchEncoder encoder;
  encoder.Begin(0, {.sequence = 1, .offset = 4096});
  encoder.Add(RecordKind::kNormal, 1, 1, std::string(1000, 'x'));
  const std::string batch(encoder.Finish({}, 0));
  for (size_t size = 0; size < kBatchHeaderBytes; ++size) {
    EXPECT_FALSE(DecodeBatchHeader(batch.substr(0, size), 0, {.sequence = 1, .offset = 4096}).has_value());
  }
  for (size_t size = kBatchHeaderBytes; size < kBatchHeaderBytes + RecordBytes(1000); ++size) {
    const std::string_view record = std::string_view(batch).substr(kBatchHeaderBytes, size - kBatchHeaderBytes);
    EXPECT_FALSE(DecodeRecord(record, 0, {.sequence = 1, .offset = 4096 + kBatchHeaderBytes}).has_value());
  }
  for (size_t size = 0; size < segment.size(); size += 61) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeSegmentHeader(segment.substr(0, size)).status()));
  }
}

TEST(LogFormat, AnUnknownVersionIsNotCalledDamage) {
  SegmentHeader header{.sequence = 1};
  std::string segment = EncodeSegmentHeader(&header);
  PutU32(segment.data() + 8, 2);
  const std::string_view view = segment;
  PutU32(segment.data() + 12, ExtendCrc32c(Crc32c(view.substr(0, 12)), view.substr(16, 56)));
  const auto decoded = DecodeSegmentHeader(segment);
  EXPECT_TRUE(absl::IsFailedPrecondition(decoded.status())) << decoded.status();
  EXPECT_NE(decoded.status().message().find("format version 2"), std::string::npos);
}

}  // namespace
}  // namespace regent::storage
