#include "storage/log_read.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "api/contract/status_macros.h"
#include "storage/log_recovery.h"

namespace regent::storage {
namespace {

constexpr uint64_t kReadSpanBytes = 1 << 20;

// Entries `from` to `to` lie in one segment.
absl::Status ReadSpan(const Segment& segment, const LogIndex& index, uint64_t from, uint64_t to, LogMutant mutant,
                      std::vector<raft::Entry>* entries) {
  const LogIndex::Place& first = index.At(from);
  const LogIndex::Place& last = index.At(to);
  std::string bytes(last.offset + RecordBytes(last.payload_bytes) - first.offset, '\0');
  REGENT_ASSIGN_OR_RETURN(const size_t count, segment.file->ReadAt(first.offset, bytes.data(), bytes.size()));
  bytes.resize(count);
  for (uint64_t next = from; next <= to; ++next) {
    const uint64_t offset = index.At(next).offset;
    std::string_view rest = bytes;
    rest.remove_prefix(std::min<uint64_t>(offset - first.offset, rest.size()));
    const std::optional<Record> record =
        DecodeRecord(rest, segment.header.seed, {.sequence = first.sequence, .offset = offset}, mutant);
    const bool entry = record && (record->kind == RecordKind::kNormal || record->kind == RecordKind::kConfiguration);
    if (!entry || record->index != next) {
      return LogCorruption(segment.file->path(), offset, next, "the record there is damaged");
    }
    entries->push_back({.index = {next},
                        .term = {record->term},
                        .type = record->kind == RecordKind::kConfiguration ? raft::EntryType::kConfiguration
                                                                           : raft::EntryType::kNormal,
                        .data = std::string(record->payload)});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<raft::Entry>> ReadEntries(const std::map<uint64_t, Segment>& segments, const LogIndex& index,
                                                     uint64_t from, size_t bytes_max, LogMutant mutant) {
  const uint64_t last = index.last_index();
  std::vector<raft::Entry> entries;
  uint64_t bytes = 0;
  uint64_t next = from;
  bool full = false;
  while (next <= last && !full) {
    // As many as lie together in one segment and fit.
    const LogIndex::Place& start = index.At(next);
    uint64_t end = next;
    for (; end <= last; ++end) {
      const LogIndex::Place& place = index.At(end);
      full = (!entries.empty() || end > next) && bytes + place.payload_bytes > bytes_max;
      if (full) break;
      const bool near = place.sequence == start.sequence && place.offset - start.offset < kReadSpanBytes;
      if (end > next && !near) break;
      bytes += place.payload_bytes;
    }
    if (end > next) {
      REGENT_RETURN_IF_ERROR(ReadSpan(segments.at(start.sequence), index, next, end - 1, mutant, &entries));
    }
    next = end;
  }
  return entries;
}

}  // namespace regent::storage
