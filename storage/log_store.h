// The log of a node: what Raft must find again after a crash. Files under <data-dir>/member/wal; the format stands in
// log_format.h. Synchronous: the caller's loop waits for the disk.
//
// Owner: the log loop. Read may be called from that loop only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "raft/types.h"
#include "storage/files.h"

namespace regent::storage {

struct LogOptions {
  uint64_t segment_bytes = 64 << 20;
  uint64_t prefill_bytes = 8 << 20;   // how far ahead a segment is filled with real zeroes
  uint32_t spare_segments_max = 2;    // retired segments kept for recycling
};

// Who the log belongs to: a log of another cluster or node is refused.
struct LogIdentity {
  uint64_t cluster_id = 0;
  uint64_t node_id = 0;
};

// What Open found. Everything in it is durable.
struct RecoveredLog {
  raft::HardState hard_state;
  raft::Index base_index;   // the entry before the first one, not served; {0, 0} for a log from the beginning
  raft::Term base_term;
  raft::Index last_index;   // base_index when the log is empty
  raft::Term last_term;
  uint64_t torn_bytes = 0;  // discarded at the end, logged by the caller
  std::string torn_where;   // file and offset of it
};

class LogStore {
 public:
  // Creates the log when `directory` is empty. Errors: DataLoss with file, offset and index for corruption,
  // FailedPrecondition for a foreign or unknown format.
  static absl::StatusOr<std::unique_ptr<LogStore>> Open(Files& files, const std::string& directory, LogIdentity identity,
                                                        LogOptions options, RecoveredLog* recovered);
  virtual ~LogStore() = default;

  // One batch, one write, one sync; durable when it returns. `entries` start at most one above the last index; a
  // conflicting suffix is discarded by appending. After the first error every later call fails: the node must stop.
  [[nodiscard]] virtual absl::Status Append(std::span<const raft::Entry> entries) = 0;

  // Term and vote, two copies in two files; durable when it returns.
  [[nodiscard]] virtual absl::Status SaveHardState(const raft::HardState& state) = 0;

  // Entries from `from` on, at least one, until their data exceed `bytes_max`. NotFound when `from` was released.
  virtual absl::StatusOr<std::vector<raft::Entry>> Read(raft::Index from, size_t bytes_max) = 0;

  // Entries up to `through` are no longer needed here. Whole segments go, oldest first.
  [[nodiscard]] virtual absl::Status Release(raft::Index through) = 0;

  // The log starts anew behind a snapshot: drops everything, the next entry is base + 1.
  [[nodiscard]] virtual absl::Status Reset(raft::Index base_index, raft::Term base_term) = 0;

  // True when the newest batch's durability is not yet recorded on disk. The owner calls WriteMark when the log has been idle
  // for about 10 ms, and on a clean stop.
  virtual bool MarkWanted() const = 0;
  [[nodiscard]] virtual absl::Status WriteMark() = 0;

  // Background work in small steps (filling ahead, preparing a spare); true while there is more. Run when idle.
  virtual absl::StatusOr<bool> Prepare() = 0;

  virtual uint64_t bytes_on_disk() const = 0;
};

}  // namespace regent::storage
