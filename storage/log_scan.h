// Reads a segment's batches in order, and judges what comes after the last good one: the end of the log, a write that a
// crash tore, or damage to what was durable.
//
// The argument. A batch is written only when everything before it is synced, and says so in `synced_through`. So when
// a valid batch lies behind a bad place, that place was durable once, and the disk lost it: corruption, which is never
// truncated and never served. When none does, nothing proves that the bad place was ever acknowledged: a torn tail.
// Therefore the scan does not stop at the bad place, whatever it looks like; zeroes prove nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "storage/files.h"
#include "storage/log_format.h"

namespace regent::storage {

struct SegmentScan {
  uint64_t end = kSegmentHeaderBytes;  // of the last good batch
  uint32_t checksum = 0;               // of it; of the segment header when there is no batch
  bool ends_in_mark = true;            // the last batch is a mark, or there is none
  uint64_t batches = 0;                // good ones, marks among them
  uint64_t marks = 0;
};

// Hands every record of every good batch to `on_record`, whose error ends the scan. Memory: the largest batch.
absl::StatusOr<SegmentScan> ScanSegment(File& file, const SegmentHeader& header,
                                        absl::FunctionRef<absl::Status(const Record&)> on_record, LogMutant mutant);

struct TailFinding {
  std::optional<std::string> corruption;  // what proves that the bad place was durable
  uint64_t torn_bytes = 0;                // written and not complete; for the log line
  uint64_t zero_end = 0;                  // [scan.end, zero_end) is to be zeroed before anything is appended
};

// What lies behind the last good batch of the newest segment.
absl::StatusOr<TailFinding> ExamineTail(File& file, const SegmentHeader& header, const SegmentScan& scan,
                                        LogMutant mutant);

}  // namespace regent::storage
