// The bytes of the log on disk. Everything is little-endian. Records are aligned to 8 bytes, batches to sectors of 512.
//
//   segment file  := segment-header batch*                    what follows the last batch is zeroes or, in a recycled
//                                                             file, the content of its former life
//   segment-header:= at 0   magic     u64   "RegntLog"        4096 bytes, the rest zero
//                    at 8   version   u32   1
//                    at 12  checksum  u32   of bytes [0,12) and [16,72)
//                    at 16  cluster   u64   the ids of the owner
//                    at 24  node      u64
//                    at 32  sequence  u64   from 1, never used again, below 2^32
//                    at 40  seed      u64   random; begins every checksum of the segment
//                    at 48  previous_end      u64   where the batches of the segment before end, all of them synced;
//                                                   0: the log begins here
//                    at 56  previous_checksum u32   of its last batch (of its header when it has none)
//                    at 60  recycled  u32   1: the file held a segment before
//                    at 64  zero      u64
//   batch         := batch-header record* zero-padding        to 512 bytes; what one write and one sync cover
//   batch-header  := at 0   magic     u32   "Rbat"            56 bytes
//                    at 4   checksum  u32   of seed, bytes [0,4) and [8,56)
//                    at 8   bytes     u64   of header and records
//                    at 16  sequence  u64   of the segment   } so that a misplaced or recycled block
//                    at 24  offset    u64   of the batch     } is never taken for a batch
//                    at 32  synced_through    u64 u64         {sequence, offset}: everything before it was durable
//                                                             when this batch was written
//                    at 48  previous  u32   checksum of the batch before, or of the segment header: the chain
//                    at 52  records_checksum  u32             CRC over the checksums of the records, in order
//   record        := record-header payload zero-padding       to 8 bytes
//   record-header := at 0   checksum  u32   of seed, sequence, offset of the record, bytes [4,32), payload, padding
//                    at 4   bytes     u32   of the payload   32 bytes
//                    at 8   term      u64
//                    at 16  index     u64   at most 2^62
//                    at 24  kind      u8    1 normal entry, 2 configuration entry, 3 base, 4 filler
//                    at 25  zero      7 bytes
//   mark          := batch(filler)? batch()                   a batch without records at the start of a page of 4096
//                                                             bytes, before it one that fills up the page of the last
//                                                             entries: one lost page cannot take entries and mark away
//
// Checksums are CRC-32C. "Of seed" means: the eight bytes of the segment's seed come first.
//
// Worked example (tests/storage/log_format_test.cc builds it): a log of cluster 0x11, node 0x22, first segment, seed
// 0x33, one batch of one normal entry of index 1 and term 1 with the payload "put".
//
//   00000000  52 65 67 6e 74 4c 6f 67 01 00 00 00 b0 72 9c 00   magic, version, checksum
//   00000010  11 00 00 00 00 00 00 00 22 00 00 00 00 00 00 00   cluster, node
//   00000020  01 00 00 00 00 00 00 00 33 00 00 00 00 00 00 00   sequence, seed
//   00000030  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00   nothing before, not recycled
//   00001000  52 62 61 74 58 61 26 c8 60 00 00 00 00 00 00 00   magic, checksum, 96 bytes
//   00001010  01 00 00 00 00 00 00 00 00 10 00 00 00 00 00 00   sequence 1, offset 4096
//   00001020  01 00 00 00 00 00 00 00 00 10 00 00 00 00 00 00   synced through {1, 4096}
//   00001030  b0 72 9c 00 4f c6 f4 f3                           previous = the header's checksum, records' checksum
//   00001038  10 e7 7e d3 03 00 00 00 01 00 00 00 00 00 00 00   checksum, 3 bytes, term 1
//   00001048  01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00   index 1, a normal entry
//   00001058  70 75 74 00 00 00 00 00                           "put", padded; zeroes up to 00001200
//
// No sector holds parts of two batches: a write that a crash tears cannot touch what was acknowledged before, and a
// damaged sector cannot take a batch away together with the next one, which proves that it was durable.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/log_store.h"

namespace regent::storage {

inline constexpr uint32_t kLogFormatVersion = 1;
inline constexpr uint64_t kSectorBytes = 512;
inline constexpr uint64_t kPageBytes = 4096;
inline constexpr uint64_t kSegmentHeaderBytes = 4096;
inline constexpr uint64_t kBatchHeaderBytes = 56;
inline constexpr uint64_t kRecordHeaderBytes = 32;
inline constexpr uint64_t kPayloadBytesMax = 1 << 30;
inline constexpr uint64_t kLogIndexMax = uint64_t{1} << 62;  // so that counting on from an index never overflows

// A place in the log as a whole.
struct LogPosition {
  uint64_t sequence = 0;
  uint64_t offset = 0;
  auto operator<=>(const LogPosition&) const = default;
};

struct SegmentHeader {
  LogIdentity identity;
  uint64_t sequence = 0;
  uint64_t seed = 0;
  uint64_t previous_end = 0;
  uint32_t previous_checksum = 0;
  bool recycled = false;
  uint32_t checksum = 0;  // set by encoding and decoding
};

// The 4096 bytes; sets header->checksum.
std::string EncodeSegmentHeader(SegmentHeader* header);

// DataLoss when it is damaged or none, FailedPrecondition when it is of an unknown version.
absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view bytes);

enum class RecordKind : uint8_t { kNormal = 1, kConfiguration = 2, kBase = 3, kFiller = 4 };

struct Record {
  RecordKind kind = RecordKind::kNormal;
  uint64_t term = 0;
  uint64_t index = 0;
  std::string_view payload;
  uint64_t offset = 0;  // in the file
  uint64_t bytes = 0;   // with header and padding
  uint32_t checksum = 0;
};

struct BatchHeader {
  uint64_t bytes = 0;  // without the padding
  LogPosition where;
  LogPosition synced_through;
  uint32_t previous = 0;
  uint32_t records_checksum = 0;
  uint32_t checksum = 0;
};

// What a batch of so many bytes takes in the file.
constexpr uint64_t PaddedBatchBytes(uint64_t bytes) { return (bytes + kSectorBytes - 1) / kSectorBytes * kSectorBytes; }

// What a record with this payload takes.
constexpr uint64_t RecordBytes(uint64_t payload_bytes) { return kRecordHeaderBytes + (payload_bytes + 7) / 8 * 8; }

// The batch header at the start of `bytes`, if it is whole and was written for this very place. Its length is
// believable then; whether the file is that long is for the caller to see.
std::optional<BatchHeader> DecodeBatchHeader(std::string_view bytes, uint64_t seed, LogPosition where);

// The record at the start of `bytes`, if it is whole and was written for this very place. The payload is a part of
// `bytes`: nothing is allocated.
std::optional<Record> DecodeRecord(std::string_view bytes, uint64_t seed, LogPosition where,
                                   LogMutant mutant = LogMutant::kNone);

// Builds one batch after the other in one buffer.
class BatchEncoder {
 public:
  explicit BatchEncoder(LogMutant mutant = LogMutant::kNone) : mutant_(mutant) {}

  // A batch for this place of the segment with this seed; forgets the batch before.
  void Begin(uint64_t seed, LogPosition where);
  void Add(RecordKind kind, uint64_t term, uint64_t index, std::string_view payload);

  // Completes the header and pads. What it returns is valid until the next Begin.
  std::string_view Finish(LogPosition synced_through, uint32_t previous);

  uint32_t checksum() const { return checksum_; }  // of the finished batch
  uint64_t bytes() const { return buffer_.size(); }

 private:
  LogMutant mutant_;
  std::string buffer_;
  uint64_t seed_ = 0;
  LogPosition where_;
  uint32_t records_checksum_ = 0;
  uint32_t checksum_ = 0;
};

}  // namespace regent::storage
