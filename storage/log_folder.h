// The files of the log's folder: how segments are named, created, recycled and retired, so that a crash between any two
// steps leaves a folder that Open understands.
//
//   0000000000000001.log …   segments under their final names; the number is the sequence, which the header repeats
//   spare-<number>           a file for a later segment; its content means nothing
//   term-and-vote-1, -2      see log_hard_state.h
//
// A segment appears under its final name only when its header is synced: header, sync, rename, sync of the folder. It
// disappears by one rename or removal, and the folder is synced before the next one does: what a crash leaves is always
// a contiguous run of sequences that ends at the newest.
//
// Owner: the log loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/files.h"
#include "storage/log_format.h"
#include "storage/log_store.h"

namespace regent::storage {

struct LogFolderContent {
  std::vector<uint64_t> segments;   // ascending
  std::vector<std::string> others;  // neither segments nor spares nor term and vote
};

struct Segment {
  SegmentHeader header;
  std::unique_ptr<File> file;
};

class LogFolder {
 public:
  LogFolder(Files& files, std::string directory, const LogOptions& options);

  // Reads the names; remembers the spares.
  absl::StatusOr<LogFolderContent> List();

  std::string PathOf(uint64_t sequence) const;
  absl::StatusOr<std::unique_ptr<File>> OpenSegment(uint64_t sequence);

  // The segment is durable under its final name when this returns. ResourceExhausted: nothing changed.
  absl::StatusOr<Segment> CreateSegment(SegmentHeader header);

  // Makes the file a spare, or removes it when there are enough; durable when it returns.
  [[nodiscard]] absl::Status Retire(uint64_t sequence, std::unique_ptr<File> file);

  // One step of preparing a spare for the next segment; true while there is more.
  absl::StatusOr<bool> PrepareSpare();

  [[nodiscard]] absl::Status Sync() { return files_.SyncFolder(directory_); }
  uint64_t spare_bytes() const;

 private:
  struct Spare {
    std::string name;
    uint64_t bytes = 0;
    bool recycled = true;  // may hold old content
  };

  absl::StatusOr<std::unique_ptr<File>> TakeSpareOrCreate(std::string* name, bool* recycled);
  absl::Status WriteHeaderAndName(File& file, const std::string& name, SegmentHeader* header);
  std::string NewSpareName();

  Files& files_;
  const std::string directory_;
  const uint64_t segment_bytes_;
  const uint64_t prefill_bytes_;
  const uint32_t spares_max_;
  const LogMutant mutant_;
  std::vector<Spare> spares_;
  std::unique_ptr<File> filling_;  // the last spare, while it is being filled with zeroes
  uint64_t next_spare_number_ = 1;
};

// Writes zeroes over [from, to). After an error any part of them may have been written.
[[nodiscard]] absl::Status WriteZeroes(File& file, uint64_t from, uint64_t to);

}  // namespace regent::storage
