// The log of a node: what Raft must find again after a crash. Files under <data-dir>/member/wal; the format stands in
// log_format.h. Synchronous: the caller's loop waits for the disk.
//
// Invariants:
//   * What Append or SaveHardState acknowledged with OK is found by every later Open, or Open fails and says where the
//     disk broke its promise. The one exception, which no log can close: damage to the very last batch before its
//     durability was recorded (see WriteMark) reads as a write that a crash tore.
//   * What was never appended is never found. A batch that a crash interrupted is found whole or not at all.
//   * Entries at or below base_index are not served; the base is never above what Release was given.
//
// Owner: the log loop. Read may be called from that loop only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "raft/types.h"
#include "storage/files.h"

namespace regent::storage {

// Bugs that the tests plant to see that they find them; kNone everywhere else.
enum class LogMutant : uint8_t {
  kNone,
  kAppendWithoutSync,      // acknowledges what is not durable
  kIgnoreSyncedThrough,    // every bad place reads as a torn tail
  kZeroesEndTheLog,        // zeroes where a batch should begin end the log, whatever lies behind them
  kRecordHeaderUnchecked,  // a record's checksum covers its payload alone
  kRollWithoutFolderSync,  // the name of a new segment is not made durable
  kOneHardStateCopy,       // the second copy of term and vote is not written
  kTornTailRefused,        // what a crash left half written keeps the log from opening
  kOpenWithoutSync,        // what was read counts as durable although it may lie in the system's memory only
};

struct LogOptions {
  uint64_t segment_bytes = 64 << 20;
  uint64_t prefill_bytes = 8 << 20;  // how far ahead a segment is filled with real zeroes
  uint32_t spare_segments_max = 2;   // retired segments kept for recycling
  uint64_t seed = 0;                 // drawn anew by the owner for every Open: seeds the checksums of new segments
  // The owner's monotonic clock, and who wants to know how long each write of a batch took, and how long each sync and
  // how many bytes it covered.
  std::function<std::chrono::steady_clock::time_point()> now;
  std::function<void(std::chrono::steady_clock::duration)> on_write;
  std::function<void(std::chrono::steady_clock::duration, size_t bytes)> on_sync;
  // Called when the disk is full; frees what it can (the reserve file) and says whether it is worth another try.
  std::function<bool()> make_room;
  LogMutant mutant = LogMutant::kNone;
};

// Who the log belongs to: a log of another cluster or node is refused.
struct LogIdentity {
  uint64_t cluster_id = 0;
  uint64_t node_id = 0;
  bool operator==(const LogIdentity&) const = default;
};

// What Open found. Everything in it is durable.
struct RecoveredLog {
  raft::HardState hard_state;
  raft::Index base_index;  // the entry before the first one, not served; {0, 0} for a log from the beginning
  raft::Term base_term;
  raft::Index last_index;  // base_index when the log is empty
  raft::Term last_term;
  std::vector<raft::TermRun> terms;         // of the entries served, ascending
  std::vector<raft::Index> configurations;  // the entries among them that hold one, ascending
  bool created = false;                     // the folder held no log
  uint64_t torn_bytes = 0;                  // discarded at the end, logged by the caller
  std::string torn_where;                   // file and offset of it
  std::vector<std::string> notes;  // harmless findings, for the caller to log: a repaired copy, files left over
};

class LogStore {
 public:
  // Creates the log when `directory`, which must exist, holds none. Errors: DataLoss with file, offset and index for
  // corruption, FailedPrecondition for a foreign or unknown format; the files are then as they were.
  static absl::StatusOr<std::unique_ptr<LogStore>> Open(Files& files, const std::string& directory,
                                                        LogIdentity identity, LogOptions options,
                                                        RecoveredLog* recovered);
  virtual ~LogStore() = default;

  // One batch, one write, one sync; durable when it returns. `entries` start at most one above the last index; a
  // conflicting suffix is discarded by appending. After the first error every later call fails: the node must stop.
  // Except ResourceExhausted, from this and every other call: nothing was appended, and the same call may be repeated
  // when there is space again.
  [[nodiscard]] virtual absl::Status Append(std::span<const raft::Entry> entries) = 0;

  // Term and vote, two copies in two files; durable when it returns. After ResourceExhausted either may be found.
  [[nodiscard]] virtual absl::Status SaveHardState(const raft::HardState& state) = 0;

  // Entries from `from` on, at least one, until their data exceed `bytes_max`. NotFound when `from` was released,
  // OutOfRange when it is above the last index, DataLoss with file, offset and index when the disk lost it.
  virtual absl::StatusOr<std::vector<raft::Entry>> Read(raft::Index from, size_t bytes_max) = 0;

  // Entries up to `through` are no longer needed here. Whole segments go, oldest first. An entry at or below `through`
  // stays in the log as its base.
  [[nodiscard]] virtual absl::Status Release(raft::Index through) = 0;

  // The log starts anew behind a snapshot: drops everything, the next entry is base + 1.
  [[nodiscard]] virtual absl::Status Reset(raft::Index base_index, raft::Term base_term) = 0;

  // True when the newest batch's durability is not yet recorded on disk. The owner calls WriteMark when the log has
  // been idle for about 10 ms, and on a clean stop.
  virtual bool MarkWanted() const = 0;
  [[nodiscard]] virtual absl::Status WriteMark() = 0;

  // Background work in small steps (filling ahead, preparing a spare); true while there is more. Run when idle.
  virtual absl::StatusOr<bool> Prepare() = 0;

  virtual raft::Index base_index() const = 0;
  virtual raft::Index last_index() const = 0;
  virtual uint64_t bytes_on_disk() const = 0;
};

}  // namespace regent::storage
