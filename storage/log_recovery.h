// Finds the log again: reads every segment of the contiguous run that ends at the newest, checks the chain within and
// across them, builds the index of live entries and judges the tail. It changes no file; a log that is damaged is
// reported as DataLoss with file, offset and the first index that is affected.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/log_folder.h"
#include "storage/log_index.h"
#include "storage/log_outline.h"
#include "storage/log_scan.h"
#include "storage/log_store.h"

namespace regent::storage {

struct LogRecovery {
  std::map<uint64_t, Segment> segments;  // by sequence, contiguous
  std::vector<uint64_t> strays;          // older files that are not part of the run
  LogIndex index;
  LogOutline outline;
  std::vector<SegmentScan> scans;  // of the segments, in order
  TailFinding tail;

  const SegmentScan& newest() const { return scans.back(); }
};

// `sequences` ascend and are not empty. After an error, `found` has what was read before the bad place.
[[nodiscard]] absl::Status RecoverLog(LogFolder& folder, const std::vector<uint64_t>& sequences, LogIdentity identity,
                                      LogMutant mutant, LogRecovery* found);

// The header of a segment; DataLoss and FailedPrecondition name the file.
absl::StatusOr<SegmentHeader> ReadSegmentHeader(File& file, uint64_t index_expected);

// The words for a damaged place of the log.
absl::Status LogCorruption(const std::string& path, uint64_t offset, uint64_t index, const std::string& what);

}  // namespace regent::storage
