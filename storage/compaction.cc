#include "storage/compaction.h"

#include <utility>

#include "api/contract/errors.h"
#include "api/contract/wire.h"
#include "glog/logging.h"
#include "storage/event_row.h"
#include "storage/row_reader.h"

namespace regent::storage {
namespace {

// Everything before this place is purged.
Position LoadProgress(const Engine& engine) {
  std::string row;
  if (!engine.Get(kPurgeRow, &row)) return Position{1, 0};
  RowReader reader(row);
  const int64_t through = reader.Int64();
  return Position{through + 1, static_cast<uint32_t>(reader.Varint())};
}

std::string EncodeProgress(const PurgePlan& plan) {
  std::string row;
  api::AppendVarint(row, static_cast<uint64_t>(plan.purged_through.value));
  api::AppendVarint(row, plan.purged_through_sub);
  return row;
}

// What the events at or below `revision` made superfluous.
int64_t DeadThrough(int64_t revision, Mvcc& mvcc) {
  const RowSource rows = mvcc.rows();
  const absl::StatusOr<std::unique_ptr<RowIterator>> row =
      rows.Iterate(EventRow(Position{mvcc.revision() + 1, 0}), Scope::kRange);
  CHECK(row.ok()) << row.status();
  (*row)->Seek(EventRow(Position{revision + 1, 0}));
  if (!(*row)->Valid()) return mvcc.counters().dead;
  return DecodeEventRecord(PositionOfEventRow((*row)->row()), (*row)->value()).dead_before;
}

void PlanEvent(Position position, const EventRecord& event, PurgePlan& plan) {
  if (event.kind == EventKind::kCreate) return;
  plan.rows.push_back(VersionRow(event.key, event.predecessor));
  if (event.kind != EventKind::kDelete) return;
  plan.rows.push_back(VersionRow(event.key, position));
  plan.tombstone_keys.emplace_back(event.key);
}

}  // namespace

absl::Status Compact(int64_t revision, Mvcc& mvcc) {
  Counters& counters = mvcc.counters();
  if (revision <= counters.compacted) return api::ErrCompacted();
  if (revision > counters.revision) return api::ErrFutureRevision();
  const int64_t dead = DeadThrough(revision, mvcc);
  CHECK_GE(dead, counters.dead_released) << "compaction to " << revision;
  counters.size -= dead - counters.dead_released;
  counters.dead_released = dead;
  counters.compacted = revision;
  return absl::OkStatus();
}

std::optional<PurgePlan> MakePurgePlan(const Engine& engine, int64_t compacted, size_t events_max) {
  const Position from = LoadProgress(engine);
  if (from >= Position{compacted + 1, 0}) return std::nullopt;
  PurgePlan plan{.generation = engine.generation(), .purged_through = {compacted}};
  const std::unique_ptr<RowIterator> row = engine.Iterate(EventRow(Position{compacted + 1, 0}), Scope::kRange);
  size_t events = 0;
  for (row->Seek(EventRow(Position{from.revision - 1, 0})); row->Valid(); row->Next()) {
    const Position position = PositionOfEventRow(row->row());
    if (events++ >= events_max && position > from) {
      plan.purged_through.value = position.revision - 1;
      plan.purged_through_sub = position.sub;
      break;
    }
    if (position >= from) PlanEvent(position, DecodeEventRecord(position, row->value()), plan);
    if (position.revision < compacted) plan.rows.emplace_back(row->row());
  }
  return plan;
}

void CarryOut(const PurgePlan& plan, Engine& engine, KeyCounts& counts) {
  Batch batch;
  for (const std::string& row : plan.rows) batch.Delete(row);
  for (const std::string& key : plan.tombstone_keys) counts.TombstonePurged(key);
  counts.WriteRows(batch);
  batch.Put(kPurgeRow, EncodeProgress(plan));
  engine.Write(batch);
}

}  // namespace regent::storage
