#include "storage/compaction.h"

#include <algorithm>
#include <utility>

#include "api/contract/errors.h"
#include "api/contract/wire.h"
#include "glog/logging.h"
#include "storage/event_row.h"
#include "storage/row_reader.h"

namespace regent::storage {
namespace {

PurgeProgress LoadProgress(const Engine& engine) {
  std::string row;
  if (!engine.Get(kPurgeRow, &row)) return PurgeProgress{};
  const std::optional<PurgeProgress> progress = ParsePurgeProgress(row);
  CHECK(progress.has_value()) << "the row of the purge is malformed";
  return *progress;
}

std::string EncodeProgress(const PurgeProgress& progress) {
  std::string row;
  for (const Position& place : {progress.versions, progress.events}) {
    api::AppendVarint(row, static_cast<uint64_t>(place.revision));
    api::AppendVarint(row, place.sub);
  }
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

std::optional<PurgeProgress> ParsePurgeProgress(std::string_view value) {
  PurgeProgress progress;
  RowReader reader(value);
  for (Position* place : {&progress.versions, &progress.events}) {
    place->revision = reader.Int64();
    place->sub = static_cast<uint32_t>(reader.Varint());
  }
  if (reader.malformed()) return std::nullopt;
  return progress;
}

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
  const PurgeProgress from = LoadProgress(engine);
  const Position kept_events{compacted, 0};
  PurgeProgress next{.versions = {compacted + 1, 0}, .events = kept_events};
  if (from.versions >= next.versions) return std::nullopt;
  PurgePlan plan{.generation = engine.generation()};
  const std::unique_ptr<RowIterator> row = engine.Iterate(EventRow(next.versions), Scope::kRange);
  size_t events = 0;
  for (row->Seek(EventRow(from.events < kept_events ? from.events : from.versions)); row->Valid(); row->Next()) {
    const Position position = PositionOfEventRow(row->row());
    if (events++ == std::max<size_t>(events_max, 1)) {
      next = {.versions = std::max(position, from.versions), .events = std::min(position, kept_events)};
      break;
    }
    if (position >= from.versions) PlanEvent(position, DecodeEventRecord(position, row->value()), plan);
    if (position < kept_events) plan.rows.emplace_back(row->row());
  }
  plan.purged_through.value = next.versions.revision - 1;
  plan.progress = EncodeProgress(next);
  return plan;
}

void CarryOut(const PurgePlan& plan, Engine& engine, KeyCounts& counts) {
  Batch batch;
  for (const std::string& row : plan.rows) batch.Delete(row);
  for (const std::string& key : plan.tombstone_keys) counts.TombstonePurged(key);
  counts.WriteRows(batch);
  batch.Put(kPurgeRow, plan.progress);
  engine.Write(batch);
}

}  // namespace regent::storage
