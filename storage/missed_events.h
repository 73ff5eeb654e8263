// Events that were not posted, or were posted long ago, read back from the event index: rows in the order of revisions,
// each naming the key and the version that it replaced.
#pragma once

#include <atomic>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/engine.h"
#include "storage/row_source.h"
#include "storage/view.h"

namespace regent::storage {

struct MissedEventsRequest {
  std::string_view key;
  std::string_view range_end;  // as the wire says it
  int64_t from = 0;
  int64_t through = 0;  // the view's revision
  bool previous = false;
  size_t events_max = 0;
};

// ErrCompacted when the revision is below the compacted one, before or after the read.
absl::StatusOr<EventSlice> ReadMissedEvents(const Engine& engine, const std::atomic<int64_t>& compacted,
                                            const MissedEventsRequest& request);

}  // namespace regent::storage
