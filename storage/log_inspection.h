// Looks into the log of a node that is not running, and changes nothing: no repair, no sync, no new file. What a start
// would refuse is told, and what lies before the damage can still be read.
//
// Memory: 16 bytes for an entry of the log, and a piece of a segment.
//
// Owner: whoever looks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "raft/types.h"
#include "storage/files.h"
#include "storage/log_recovery.h"
#include "storage/log_store.h"

namespace regent::storage {

struct InspectedSegment {
  uint64_t sequence = 0;
  std::string path;
  uint64_t bytes = 0;        // of the file
  uint64_t end = 0;          // of the last good batch
  uint64_t entries = 0;      // in effect: those that a later record has replaced do not count
  uint64_t first_index = 0;  // of them; 0 when there are none
  uint64_t last_index = 0;
  uint64_t batches = 0;  // good ones
  uint64_t marks = 0;    // of them
  bool recycled = false;
};

struct TornTail {
  std::string path;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

struct InspectedLog {
  std::optional<LogIdentity> identity;
  std::optional<raft::HardState> hard_state;
  raft::Index base_index;  // as RecoveredLog
  raft::Term base_term;
  raft::Index last_index;
  raft::Term last_term;
  std::vector<InspectedSegment> segments;
  uint64_t spare_bytes = 0;
  std::optional<TornTail> torn_tail;  // a write that a crash interrupted: nobody was told that it was done
  std::vector<std::string> damage;    // with file and offset
  std::vector<std::string> notes;     // harmless findings
};

class LogInspection {
 public:
  // `identity`: whose log it must be; nullopt when only the log itself can tell. Errors are those of reading files;
  // damage is no error here.
  static absl::StatusOr<std::unique_ptr<LogInspection>> Open(Files& files, const std::string& directory,
                                                             std::optional<LogIdentity> identity);

  const InspectedLog& findings() const { return findings_; }

  // The entries in effect, in order; where the log is damaged, those before the damage. An error of `on_entry` ends it.
  [[nodiscard]] absl::Status ForEach(absl::FunctionRef<absl::Status(const raft::Entry&)> on_entry) const;

 private:
  explicit LogInspection(Files& files, const std::string& directory);

  absl::Status ReadSegments(const std::vector<uint64_t>& sequences);
  absl::Status ReadHardState(Files& files, const std::string& directory, bool log_exists);
  absl::Status DescribeSegments();
  // Keeps what is no error of reading; other errors are handed back.
  absl::Status NoteDamage(const absl::Status& status);

  LogFolder folder_;
  LogRecovery found_;
  bool readable_ = false;  // the index is complete as far as it goes
  InspectedLog findings_;
};

}  // namespace regent::storage
