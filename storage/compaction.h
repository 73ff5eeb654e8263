// Compaction in two steps. The logical one is an entry of the log and instant: reads below its revision are refused,
// and what became superfluous by then leaves the logical size (one event row says how much it is). The purge follows in
// the background and removes the rows; it goes by the event index and never looks at live data:
//
//   for every event of a revision in (purged_through, R]:  its predecessor's row; of a delete also the tombstone's row
//   for every event of a revision in [purged_through, R):  the event's row
//
// so the events of R itself stay: a watch may start there. In ascending order, so a key's older versions are gone when
// its tombstone goes. Progress is a row of the same batch, two places in the history:
//
//   row 'm' 'p' -> versions:place events:place     place = revision:v sub:v
//
// What events before `versions` made superfluous is gone; so are the rows of events before `events`, which is never
// above `versions`.
//
// A purge is no entry of the log: members purge at their own pace, and no digest covers it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "storage/engine.h"
#include "storage/mvcc.h"
#include "storage/view.h"

namespace regent::storage {

struct PurgeProgress {
  Position versions{1, 0};
  Position events{1, 0};
};

// The row's value; nullopt: malformed.
std::optional<PurgeProgress> ParsePurgeProgress(std::string_view value);

// Errors: ErrCompacted, ErrFutureRevision.
absl::Status Compact(int64_t revision, Mvcc& mvcc);

// From any thread. nullopt: everything up to `compacted` is purged.
std::optional<PurgePlan> MakePurgePlan(const Engine& engine, int64_t compacted, size_t events_max);

// REQUIRES: readers know the compacted revision already; between two turns.
void CarryOut(const PurgePlan& plan, Engine& engine, KeyCounts& counts);

}  // namespace regent::storage
