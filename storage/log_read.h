// Entries by their index, from the segments where they lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "absl/status/statusor.h"
#include "raft/types.h"
#include "storage/log_folder.h"
#include "storage/log_index.h"

namespace regent::storage {

// Entries from `from` on, at least one, until their data exceed `bytes_max`. DataLoss with file, offset and index when
// the disk lost one. REQUIRES: `from` is served, and `segments` has the segment of every place of the index.
absl::StatusOr<std::vector<raft::Entry>> ReadEntries(const std::map<uint64_t, Segment>& segments, const LogIndex& index,
                                                     uint64_t from, size_t bytes_max, LogMutant mutant);

}  // namespace regent::storage
