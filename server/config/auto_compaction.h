// --auto-compaction-mode and --auto-compaction-retention, read as etcd reads them: a bare number is hours in mode
// periodic and revisions in mode revision; anything else is a duration ("5m"). In mode revision a duration counts as
// many revisions as it has nanoseconds: so does etcd's. Unlike etcd, which then never rests, a negative duration is an
// error.
#pragma once

#include <chrono>
#include <cstdint>

#include "absl/status/statusor.h"
#include "server/config/settings.h"

namespace regent::server {

// At most one of the two is set; neither: no automatic compaction.
struct AutoCompaction {
  std::chrono::nanoseconds period{0};  // history that is kept, in time
  int64_t revisions = 0;               // history that is kept, in revisions
};

absl::StatusOr<AutoCompaction> ParseAutoCompaction(const Settings& settings);

}  // namespace regent::server
