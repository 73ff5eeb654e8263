#include "storage/missed_events.h"

#include <memory>
#include <utility>

#include "api/contract/errors.h"
#include "api/contract/key_range.h"
#include "api/contract/status_macros.h"
#include "api/contract/wire.h"
#include "glog/logging.h"
#include "storage/event_row.h"
#include "storage/versions.h"

namespace regent::storage {
namespace {

class Reader {
 public:
  Reader(const Engine& engine, const std::atomic<int64_t>& compacted, const MissedEventsRequest& request)
      : engine_(engine), compacted_(compacted), request_(request), batch_(std::make_shared<EventBatch>()) {}

  absl::StatusOr<EventSlice> Read() {
    if (request_.from < compacted_.load()) return api::ErrCompacted();
    if (request_.from > request_.through) return EventSlice{.events = nullptr, .next = {request_.from}};
    const RowSource rows(engine_, compacted_, request_.from);
    REGENT_ASSIGN_OR_RETURN(const std::unique_ptr<RowIterator> row,
                            rows.Iterate(EventRow(Position{request_.through + 1, 0}), Scope::kRange));
    int64_t next = request_.through + 1;
    size_t seen = 0;
    int64_t revision = request_.from;
    for (row->Seek(EventRow(Position{request_.from, 0})); row->Valid(); row->Next()) {
      const Position position = PositionOfEventRow(row->row());
      if (position.revision != revision && seen >= request_.events_max) {
        next = position.revision;
        break;
      }
      revision = position.revision;
      ++seen;
      const EventRecord record = DecodeEventRecord(position, row->value());
      if (!api::RangeContains(request_.key, request_.range_end, record.key)) continue;
      REGENT_RETURN_IF_ERROR(Add(position, record));
    }
    batch_->first.value = request_.from;
    batch_->last.value = next - 1;
    if (batch_->events.empty()) batch_ = nullptr;
    return EventSlice{.events = std::move(batch_), .next = {next}};
  }

 private:
  absl::Status Add(Position position, const EventRecord& record) {
    Event event;
    event.revision.value = position.revision;
    event.key = record.key;
    event.created = record.kind == EventKind::kCreate;
    if (record.kind == EventKind::kDelete) {
      event.type = Event::Type::kDelete;
      api::AppendInt64(event.rest, 3, position.revision);
    } else if (!engine_.Get(VersionRow(record.key, position), &event.rest)) {
      return Missing(position);
    }
    event.previous_known = event.created || request_.previous;
    if (!event.created && request_.previous) {
      REGENT_ASSIGN_OR_RETURN(event.previous, Previous(position, record));
    }
    batch_->events.push_back(std::move(event));
    return absl::OkStatus();
  }

  // The row of a put is gone: either the compaction has come this far, or the disk is broken.
  absl::Status Missing(Position position) const {
    const int64_t compacted = compacted_.load();
    CHECK_LE(position.revision, compacted)
        << "the version of event " << position.revision << "/" << position.sub << " is missing";
    // At the compacted revision itself a later operation of the same revision replaced it, and what is left is there.
    if (request_.from == compacted && position.revision == compacted) return absl::OkStatus();
    return api::ErrCompacted();
  }

  // The newest version below the event's revision, omitted when the revision before it is compacted.
  absl::StatusOr<std::optional<std::string>> Previous(Position position, const EventRecord& record) const {
    const int64_t before = position.revision - 1;
    std::optional<std::string> previous;
    if (record.predecessor.revision < position.revision) {
      std::string rest;
      if (engine_.Get(VersionRow(record.key, record.predecessor), &rest)) previous = std::move(rest);
    } else {
      REGENT_ASSIGN_OR_RETURN(std::optional<Version> found,
                              FindVersion(RowSource(engine_), record.key, Through(before)));
      if (found.has_value() && !found->rest.empty()) previous = std::move(found->rest);
    }
    if (before < compacted_.load()) return std::nullopt;
    CHECK(previous.has_value() || record.predecessor.revision == position.revision)
        << "the version before event " << position.revision << "/" << position.sub << " is missing";
    return previous;
  }

  const Engine& engine_;
  const std::atomic<int64_t>& compacted_;
  const MissedEventsRequest& request_;
  std::shared_ptr<EventBatch> batch_;
};

}  // namespace

absl::StatusOr<EventSlice> ReadMissedEvents(const Engine& engine, const std::atomic<int64_t>& compacted,
                                            const MissedEventsRequest& request) {
  return Reader(engine, compacted, request).Read();
}

}  // namespace regent::storage
