#include "storage/log_scan.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "api/contract/status_macros.h"
#include "storage/crc32c.h"
#include "storage/log_bytes.h"

namespace regent::storage {
namespace {

constexpr uint64_t kWindowBytes = 1 << 20;

// A file read in large pieces, seen in small ones.
class FileWindow {
 public:
  FileWindow(File& file, uint64_t size) : file_(file), size_(size) {}

  uint64_t size() const { return size_; }

  // The bytes from `offset` on: at least `bytes` of them, fewer only at the end of the file. Valid until the next call.
  absl::StatusOr<std::string_view> At(uint64_t offset, uint64_t bytes) {
    if (offset >= size_) return std::string_view();
    bytes = std::min(bytes, size_ - offset);
    if (offset < start_ || offset + bytes > start_ + buffer_.size()) {
      buffer_.resize(std::min(std::max(bytes, kWindowBytes), size_ - offset));
      start_ = offset;
      REGENT_ASSIGN_OR_RETURN(const size_t count, file_.ReadAt(offset, buffer_.data(), buffer_.size()));
      buffer_.resize(count);
    }
    return std::string_view(buffer_).substr(offset - start_);
  }

 private:
  File& file_;
  const uint64_t size_;
  uint64_t start_ = 0;
  std::string buffer_;
};

// The records of a batch, when every one is whole and they are the ones that the header speaks of.
bool DecodeRecords(std::string_view batch, const BatchHeader& header, uint64_t seed, LogMutant mutant,
                   std::vector<Record>* records) {
  records->clear();
  uint32_t checksum = 0;
  uint64_t at = kBatchHeaderBytes;
  while (at < batch.size()) {
    const LogPosition where{.sequence = header.where.sequence, .offset = header.where.offset + at};
    const std::optional<Record> record = DecodeRecord(batch.substr(at), seed, where, mutant);
    if (!record) return false;
    checksum = ExtendCrc32c(checksum, batch.substr(at, 4));
    records->push_back(*record);
    at += record->bytes;
  }
  return checksum == header.records_checksum;
}

// Where the last byte that is not zero ends; 0 when there is none. By words: there are megabytes of zeroes.
size_t ContentBytes(std::string_view piece) {
  size_t end = piece.size();
  while (end >= 8 && GetU64(piece.data() + end - 8) == 0) end -= 8;
  while (end > 0 && piece[end - 1] == '\0') --end;
  return end;
}

// The end of the last byte that is not zero, from `start` on; `start` when there is none.
absl::StatusOr<uint64_t> EndOfContent(FileWindow& window, uint64_t start) {
  uint64_t end = start;
  for (uint64_t at = start; at < window.size();) {
    REGENT_ASSIGN_OR_RETURN(const std::string_view piece, window.At(at, kSectorBytes));
    if (piece.empty()) break;
    if (const size_t content_bytes = ContentBytes(piece); content_bytes > 0) end = at + content_bytes;
    at += piece.size();
  }
  return end;
}

// Calls `on_batch` with every valid batch header behind `start`.
absl::Status FindBatchesBehind(FileWindow& window, const SegmentHeader& header, uint64_t start,
                               absl::FunctionRef<void(const BatchHeader&)> on_batch) {
  constexpr char kMagic[] = "Rbat";
  for (uint64_t at = start + kSectorBytes; at + kBatchHeaderBytes <= window.size();) {
    REGENT_ASSIGN_OR_RETURN(const std::string_view piece, window.At(at, kBatchHeaderBytes));
    if (piece.size() < kBatchHeaderBytes) break;
    uint64_t within = 0;
    for (; within + kBatchHeaderBytes <= piece.size(); within += kSectorBytes) {
      if (std::memcmp(piece.data() + within, kMagic, 4) != 0) continue;
      const std::optional<BatchHeader> batch =
          DecodeBatchHeader(piece.substr(within), header.seed, {.sequence = header.sequence, .offset = at + within});
      if (batch) on_batch(*batch);
    }
    at += within;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SegmentScan> ScanSegment(File& file, const SegmentHeader& header,
                                        absl::FunctionRef<absl::Status(const Record&)> on_record, LogMutant mutant) {
  REGENT_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  FileWindow window(file, size);
  SegmentScan scan{.end = kSegmentHeaderBytes, .checksum = header.checksum};
  std::vector<Record> records;
  while (true) {
    const LogPosition where{.sequence = header.sequence, .offset = scan.end};
    REGENT_ASSIGN_OR_RETURN(std::string_view bytes, window.At(scan.end, kBatchHeaderBytes));
    const std::optional<BatchHeader> batch = DecodeBatchHeader(bytes, header.seed, where);
    if (!batch || batch->previous != scan.checksum || batch->bytes > size - scan.end) return scan;
    REGENT_ASSIGN_OR_RETURN(bytes, window.At(scan.end, batch->bytes));
    if (bytes.size() < batch->bytes) return scan;
    if (!DecodeRecords(bytes.substr(0, batch->bytes), *batch, header.seed, mutant, &records)) return scan;
    scan.ends_in_mark = records.empty();
    ++scan.batches;
    if (scan.ends_in_mark) ++scan.marks;
    for (const Record& record : records) {
      if (record.kind != RecordKind::kFiller) REGENT_RETURN_IF_ERROR(on_record(record));
    }
    scan.end += PaddedBatchBytes(batch->bytes);
    scan.checksum = batch->checksum;
  }
}

absl::StatusOr<TailFinding> ExamineTail(File& file, const SegmentHeader& header, const SegmentScan& scan,
                                        LogMutant mutant) {
  REGENT_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  FileWindow window(file, size);
  TailFinding finding{.zero_end = scan.end};
  const LogPosition bad{.sequence = header.sequence, .offset = scan.end};

  REGENT_ASSIGN_OR_RETURN(const std::string_view bytes, window.At(scan.end, kBatchHeaderBytes));
  if (mutant == LogMutant::kZeroesEndTheLog && bytes.substr(0, 8).find_first_not_of('\0') == std::string_view::npos) {
    return finding;
  }
  if (const std::optional<BatchHeader> torn = DecodeBatchHeader(bytes, header.seed, bad)) {
    if (torn->previous != scan.checksum && torn->synced_through >= bad) {
      finding.corruption = "the batch there does not continue the one before it, which had been synced";
    }
    finding.torn_bytes = torn->bytes;
    finding.zero_end = std::min(scan.end + torn->bytes, size);
  } else if (bytes.size() >= kBatchHeaderBytes && GetU64(bytes.data() + 16) == bad.sequence &&
             GetU64(bytes.data() + 24) == bad.offset) {
    finding.torn_bytes = kBatchHeaderBytes;
    finding.zero_end = scan.end + kBatchHeaderBytes;
  }

  REGENT_RETURN_IF_ERROR(FindBatchesBehind(window, header, scan.end, [&](const BatchHeader& batch) {
    if (batch.synced_through > bad && !finding.corruption) {
      finding.corruption = "the batch there is damaged, and the batch at offset " + std::to_string(batch.where.offset) +
                           " was written after it had been synced";
    }
    finding.zero_end = std::max(finding.zero_end, std::min(batch.where.offset + batch.bytes, size));
  }));
  if (!header.recycled) {
    REGENT_ASSIGN_OR_RETURN(const uint64_t content_end, EndOfContent(window, scan.end));
    finding.torn_bytes = std::max(finding.torn_bytes, content_end - scan.end);
    finding.zero_end = std::max(finding.zero_end, content_end);
  }
  if (mutant == LogMutant::kIgnoreSyncedThrough) finding.corruption.reset();
  if (mutant == LogMutant::kTornTailRefused && finding.torn_bytes > 0) finding.corruption = "the last write is torn";
  return finding;
}

}  // namespace regent::storage
