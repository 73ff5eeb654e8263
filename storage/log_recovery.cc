#include "storage/log_recovery.h"

#include <algorithm>
#include <utility>

#include "api/contract/status_macros.h"
#include "glog/logging.h"

namespace regent::storage {
namespace {

absl::StatusOr<Segment> OpenAndCheck(LogFolder& folder, uint64_t sequence, LogIdentity identity,
                                     uint64_t index_expected) {
  Segment segment;
  const std::string path = folder.PathOf(sequence);
  REGENT_ASSIGN_OR_RETURN(segment.file, folder.OpenSegment(sequence));
  REGENT_ASSIGN_OR_RETURN(segment.header, ReadSegmentHeader(*segment.file, index_expected));
  if (segment.header.identity != identity) {
    return absl::FailedPreconditionError(path + " belongs to another cluster or another member");
  }
  if (segment.header.sequence != sequence) {
    return LogCorruption(path, 0, index_expected, "the header says segment " + std::to_string(segment.header.sequence));
  }
  return segment;
}

absl::Status AddRecord(LogRecovery& found, uint64_t sequence, const Record& record) {
  if (record.kind == RecordKind::kBase) {
    found.index.SetBase(record.index, record.term, sequence);
    found.outline.SetBase();
    return absl::OkStatus();
  }
  found.outline.AddEntry(
      {record.index}, {record.term},
      record.kind == RecordKind::kConfiguration ? raft::EntryType::kConfiguration : raft::EntryType::kNormal);
  return found.index.AddEntry(record.index, record.term,
                              {.sequence = static_cast<uint32_t>(sequence),
                               .payload_bytes = static_cast<uint32_t>(record.payload.size()),
                               .offset = record.offset});
}

// The segment before was synced to its end before this one was written: it must be found just so.
absl::Status CheckChain(const std::string& path_before, const SegmentScan& before, const SegmentHeader& header,
                        uint64_t index_expected) {
  if (before.end == header.previous_end && before.checksum == header.previous_checksum) return absl::OkStatus();
  return LogCorruption(path_before, before.end, index_expected,
                       "the batch there is damaged: the next segment says that this one was synced up to offset " +
                           std::to_string(header.previous_end));
}

}  // namespace

absl::Status LogCorruption(const std::string& path, uint64_t offset, uint64_t index, const std::string& what) {
  return absl::DataLossError("the log is corrupted: " + path + " at offset " + std::to_string(offset) + ", index " +
                             std::to_string(index) + ": " + what);
}

absl::StatusOr<SegmentHeader> ReadSegmentHeader(File& file, uint64_t index_expected) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  REGENT_ASSIGN_OR_RETURN(const size_t count, file.ReadAt(0, bytes.data(), bytes.size()));
  bytes.resize(count);
  absl::StatusOr<SegmentHeader> header = DecodeSegmentHeader(bytes);
  const std::string words(header.status().message());
  if (absl::IsFailedPrecondition(header.status())) return absl::FailedPreconditionError(file.path() + ": " + words);
  if (!header.ok()) return LogCorruption(file.path(), 0, index_expected, words);
  return header;
}

absl::Status RecoverLog(LogFolder& folder, const std::vector<uint64_t>& sequences, LogIdentity identity,
                        LogMutant mutant, LogRecovery* found) {
  CHECK(!sequences.empty());
  size_t first = sequences.size() - 1;
  while (first > 0 && sequences[first - 1] + 1 == sequences[first]) --first;

  found->strays.assign(sequences.begin(), sequences.begin() + static_cast<std::ptrdiff_t>(first));
  for (size_t i = first; i < sequences.size(); ++i) {
    const uint64_t sequence = sequences[i];
    const std::string path = folder.PathOf(sequence);
    const uint64_t index_expected = found->segments.empty() ? 0 : found->index.last_index() + 1;
    REGENT_ASSIGN_OR_RETURN(Segment segment, OpenAndCheck(folder, sequence, identity, index_expected));
    if (i > first) {
      REGENT_RETURN_IF_ERROR(CheckChain(folder.PathOf(sequence - 1), found->newest(), segment.header, index_expected));
    } else if (segment.header.previous_end == 0) {
      found->index.BeginAtFirstEntry(sequence);
    }
    const auto on_record = [&](const Record& record) {
      const absl::Status added = AddRecord(*found, sequence, record);
      return added.ok() ? added : LogCorruption(path, record.offset, record.index, std::string(added.message()));
    };
    const Segment& kept = found->segments.emplace(sequence, std::move(segment)).first->second;
    found->scans.emplace_back();
    REGENT_ASSIGN_OR_RETURN(found->scans.back(), ScanSegment(*kept.file, kept.header, on_record, mutant));
  }

  const Segment& newest = found->segments.rbegin()->second;
  REGENT_ASSIGN_OR_RETURN(found->tail, ExamineTail(*newest.file, newest.header, found->newest(), mutant));
  const std::string path = folder.PathOf(newest.header.sequence);
  if (found->tail.corruption) {
    return LogCorruption(path, found->newest().end, found->index.last_index() + 1, *found->tail.corruption);
  }
  if (const absl::Status complete = found->index.Complete(); !complete.ok()) {
    return LogCorruption(path, found->newest().end, 0, std::string(complete.message()));
  }
  found->outline.StartBehind({found->index.base_index()});
  return absl::OkStatus();
}

}  // namespace regent::storage
