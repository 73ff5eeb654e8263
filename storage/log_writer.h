// The end of the log: builds batches, writes and syncs them one at a time, and keeps the newest segment filled with
// zeroes ahead of them.
//
// Writing behind real zeroes changes neither the size of the file nor its extents, so that fdatasync has nothing to put
// into the file system's journal. When the background filling falls behind, a batch brings its own zeroes along.
//
// Owner: the log loop.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "raft/types.h"
#include "storage/files.h"
#include "storage/log_format.h"
#include "storage/log_store.h"

namespace regent::storage {

class LogWriter {
 public:
  explicit LogWriter(const LogOptions& options) : options_(options), encoder_(options.mutant) {}

  // Writes to this segment from now on. Everything before `end` is durable; `checksum` is that of the last batch, or of
  // the header. `entries_unmarked`: the last batch is no mark.
  struct End {
    File* file = nullptr;
    uint64_t sequence = 0;
    uint64_t seed = 0;
    uint64_t end = kSegmentHeaderBytes;
    uint32_t checksum = 0;
    uint64_t file_bytes = 0;  // content behind it has to be allocated
    bool entries_unmarked = false;
  };
  void ContinueAt(const End& end) { at_ = end; }

  // A batch as large as a segment and larger gets a segment of its own.
  bool Fits(uint64_t batch_bytes) const {
    return at_.end + PaddedBatchBytes(batch_bytes) <= options_.segment_bytes || at_.end == kSegmentHeaderBytes;
  }

  // Begin, Add for each record, Commit: durable when Commit returns. ResourceExhausted: nothing was appended.
  void Begin() { encoder_.Begin(at_.seed, position()); }
  uint64_t Add(RecordKind kind, uint64_t term, uint64_t index, std::string_view payload);  // offset of the record
  [[nodiscard]] absl::Status Commit();

  uint64_t MarkBytes() const;
  [[nodiscard]] absl::Status WriteMark();

  // One step of filling ahead; true while there is more.
  absl::StatusOr<bool> FillAhead();

  LogPosition position() const { return {.sequence = at_.sequence, .offset = at_.end}; }
  uint32_t checksum() const { return at_.checksum; }
  bool entries_unmarked() const { return at_.entries_unmarked; }

 private:
  uint64_t FillerBytes() const;
  absl::Status WriteAndSync(std::string_view bytes);
  absl::Status BringZeroesAlong(uint64_t end);

  const LogOptions& options_;
  BatchEncoder encoder_;
  End at_;
};

}  // namespace regent::storage
