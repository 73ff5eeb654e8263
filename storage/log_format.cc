#include "storage/log_format.h"

#include <algorithm>
#include <cstring>

#include "glog/logging.h"
#include "storage/crc32c.h"
#include "storage/log_bytes.h"

namespace regent::storage {
namespace {

constexpr char kSegmentMagic[] = "RegntLog";
constexpr char kBatchMagic[] = "Rbat";
constexpr size_t kSegmentFieldsEnd = 72;
constexpr uint64_t kSequenceEnd = uint64_t{1} << 32;
constexpr size_t kBufferBytesKept = 4 << 20;

uint32_t BeginChecksum(uint64_t seed) {
  char bytes[8];
  PutU64(bytes, seed);
  return Crc32c({bytes, sizeof(bytes)});
}

uint32_t BatchHeaderChecksum(std::string_view header, uint64_t seed) {
  const uint32_t crc = ExtendCrc32c(BeginChecksum(seed), header.substr(0, 4));
  return ExtendCrc32c(crc, header.substr(8, kBatchHeaderBytes - 8));
}

uint32_t SegmentHeaderChecksum(std::string_view bytes) {
  return ExtendCrc32c(Crc32c(bytes.substr(0, 12)), bytes.substr(16, kSegmentFieldsEnd - 16));
}

// `record` is the whole record, padding included.
uint32_t RecordChecksum(std::string_view record, uint64_t seed, LogPosition where, LogMutant mutant) {
  if (mutant == LogMutant::kRecordHeaderUnchecked) return Crc32c(record.substr(kRecordHeaderBytes));
  char place[24];
  PutU64(place, seed);
  PutU64(place + 8, where.sequence);
  PutU64(place + 16, where.offset);
  return ExtendCrc32c(Crc32c({place, sizeof(place)}), record.substr(4));
}

}  // namespace

std::string EncodeSegmentHeader(SegmentHeader* header) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  char* at = bytes.data();
  std::memcpy(at, kSegmentMagic, 8);
  PutU32(at + 8, kLogFormatVersion);
  PutU64(at + 16, header->identity.cluster_id);
  PutU64(at + 24, header->identity.node_id);
  PutU64(at + 32, header->sequence);
  PutU64(at + 40, header->seed);
  PutU64(at + 48, header->previous_end);
  PutU32(at + 56, header->previous_checksum);
  PutU32(at + 60, header->recycled ? 1 : 0);
  header->checksum = SegmentHeaderChecksum(bytes);
  PutU32(at + 12, header->checksum);
  return bytes;
}

absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes) return absl::DataLossError("the segment header is cut off");
  const char* at = bytes.data();
  if (std::memcmp(at, kSegmentMagic, 8) != 0) return absl::DataLossError("the segment header's magic is missing");
  SegmentHeader header;
  header.checksum = GetU32(at + 12);
  if (header.checksum != SegmentHeaderChecksum(bytes)) {
    return absl::DataLossError("the segment header's checksum does not match");
  }
  if (const uint32_t version = GetU32(at + 8); version != kLogFormatVersion) {
    return absl::FailedPreconditionError("the log has format version " + std::to_string(version) +
                                         ", this program knows version " + std::to_string(kLogFormatVersion));
  }
  header.identity = {.cluster_id = GetU64(at + 16), .node_id = GetU64(at + 24)};
  header.sequence = GetU64(at + 32);
  header.seed = GetU64(at + 40);
  header.previous_end = GetU64(at + 48);
  header.previous_checksum = GetU32(at + 56);
  header.recycled = GetU32(at + 60) != 0;
  if (header.sequence == 0 || header.sequence >= kSequenceEnd) {
    return absl::DataLossError("the segment header's sequence is out of range");
  }
  return header;
}

std::optional<BatchHeader> DecodeBatchHeader(std::string_view bytes, uint64_t seed, LogPosition where) {
  if (bytes.size() < kBatchHeaderBytes || std::memcmp(bytes.data(), kBatchMagic, 4) != 0) return std::nullopt;
  const char* at = bytes.data();
  BatchHeader header;
  header.checksum = GetU32(at + 4);
  if (header.checksum != BatchHeaderChecksum(bytes, seed)) return std::nullopt;
  header.bytes = GetU64(at + 8);
  header.where = {.sequence = GetU64(at + 16), .offset = GetU64(at + 24)};
  header.synced_through = {.sequence = GetU64(at + 32), .offset = GetU64(at + 40)};
  header.previous = GetU32(at + 48);
  header.records_checksum = GetU32(at + 52);
  if (header.where != where || header.bytes < kBatchHeaderBytes || header.bytes % 8 != 0) return std::nullopt;
  return header;
}

std::optional<Record> DecodeRecord(std::string_view bytes, uint64_t seed, LogPosition where, LogMutant mutant) {
  if (bytes.size() < kRecordHeaderBytes) return std::nullopt;
  const char* at = bytes.data();
  const uint64_t payload_bytes = GetU32(at + 4);
  const uint64_t record_bytes = RecordBytes(payload_bytes);
  if (payload_bytes > kPayloadBytesMax || record_bytes > bytes.size()) return std::nullopt;
  Record record;
  record.checksum = GetU32(at);
  if (record.checksum != RecordChecksum(bytes.substr(0, record_bytes), seed, where, mutant)) return std::nullopt;
  const auto kind = static_cast<uint8_t>(at[24]);
  if (kind < static_cast<uint8_t>(RecordKind::kNormal) || kind > static_cast<uint8_t>(RecordKind::kFiller)) {
    return std::nullopt;
  }
  record.kind = static_cast<RecordKind>(kind);
  record.term = GetU64(at + 8);
  record.index = GetU64(at + 16);
  if (record.index > kLogIndexMax) return std::nullopt;
  record.payload = bytes.substr(kRecordHeaderBytes, payload_bytes);
  record.offset = where.offset;
  record.bytes = record_bytes;
  return record;
}

void BatchEncoder::Begin(uint64_t seed, LogPosition where) {
  seed_ = seed;
  where_ = where;
  records_checksum_ = 0;
  checksum_ = 0;
  if (buffer_.capacity() > kBufferBytesKept) buffer_ = std::string();
  buffer_.assign(kBatchHeaderBytes, '\0');
}

void BatchEncoder::Add(RecordKind kind, uint64_t term, uint64_t index, std::string_view payload) {
  CHECK_LE(payload.size(), kPayloadBytesMax) << "entry " << index;
  CHECK_LE(index, kLogIndexMax);
  const uint64_t start = buffer_.size();
  const uint64_t record_bytes = RecordBytes(payload.size());
  if (buffer_.capacity() < start + record_bytes) buffer_.reserve(std::max(start + record_bytes, 2 * start));
  char header[kRecordHeaderBytes] = {};
  PutU32(header + 4, static_cast<uint32_t>(payload.size()));
  PutU64(header + 8, term);
  PutU64(header + 16, index);
  header[24] = static_cast<char>(kind);
  buffer_.append(header, sizeof(header));
  buffer_.append(payload);
  buffer_.resize(start + record_bytes, '\0');

  const LogPosition place{.sequence = where_.sequence, .offset = where_.offset + start};
  const std::string_view record(buffer_.data() + start, record_bytes);
  PutU32(buffer_.data() + start, RecordChecksum(record, seed_, place, mutant_));
  records_checksum_ = ExtendCrc32c(records_checksum_, record.substr(0, 4));
}

std::string_view BatchEncoder::Finish(LogPosition synced_through, uint32_t previous) {
  char* at = buffer_.data();
  std::memcpy(at, kBatchMagic, 4);
  PutU64(at + 8, buffer_.size());
  PutU64(at + 16, where_.sequence);
  PutU64(at + 24, where_.offset);
  PutU64(at + 32, synced_through.sequence);
  PutU64(at + 40, synced_through.offset);
  PutU32(at + 48, previous);
  PutU32(at + 52, records_checksum_);
  checksum_ = BatchHeaderChecksum(buffer_, seed_);
  PutU32(at + 4, checksum_);
  buffer_.resize(PaddedBatchBytes(buffer_.size()), '\0');
  return buffer_;
}

}  // namespace regent::storage
