#include "storage/store_view.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "api/contract/errors.h"
#include "api/contract/status_macros.h"
#include "storage/compare.h"
#include "storage/hash_kv.h"
#include "storage/kv_writer.h"
#include "storage/missed_events.h"

namespace regent::storage {

StoreView::StoreView(std::shared_ptr<const Engine> engine, std::shared_ptr<SharedState> shared,
                     std::shared_ptr<const CountTree> counts, const Counters& counters, int64_t logical_bytes)
    : engine_(std::move(engine)),
      shared_(std::move(shared)),
      counts_(std::move(counts)),
      revision_(counters.revision),
      size_(logical_bytes),
      applied_index_(counters.applied_index) {}

api::Revision StoreView::compacted() const { return {std::max<int64_t>(shared_->compacted.load(), 0)}; }

absl::StatusOr<api::RangeResult> StoreView::RangeInParts(const api::RangeRequest& request, size_t bytes_max) const {
  if (request.revision.value > revision_) return api::ErrFutureRevision();
  const int64_t revision = request.revision.value > 0 ? request.revision.value : revision_;
  if (revision < shared_->compacted.load()) return api::ErrCompacted();
  const RowSource rows(*engine_, shared_->compacted, revision);
  return ReadRange(RangeState{.rows = rows,
                              .counts = *counts_,
                              .newest = Through(revision_),
                              .revision = revision_,
                              .pages = &shared_->pages,
                              .parts = RangeParts{.engine = engine_, .bytes_max = bytes_max}},
                   request);
}

absl::StatusOr<api::RangeSlice> StoreView::Slice(const api::RangeRequest& request, size_t bytes_max) const {
  if (request.revision.value > revision_) return api::ErrFutureRevision();
  const int64_t revision = request.revision.value > 0 ? request.revision.value : revision_;
  if (revision < shared_->compacted.load()) return api::ErrCompacted();  // also where nothing would be read
  return ReadSlice(RowSource(*engine_, shared_->compacted, revision), Through(revision), request, bytes_max);
}

absl::StatusOr<api::HashKvResult> StoreView::HashKv(int64_t at, const std::atomic<bool>& stop) const {
  if (at > revision_) return api::ErrFutureRevision();
  return HashKeyValues(*engine_, shared_->compacted, {.at = at == 0 ? revision_ : at, .current = revision_}, stop);
}

absl::StatusOr<bool> StoreView::Succeeds(const api::TxnRequest& request) const {
  const RowSource rows(*engine_, shared_->compacted, revision_);
  for (const api::Compare& compare : request.compare) {
    REGENT_ASSIGN_OR_RETURN(const bool holds, HoldsAt(compare, rows, Through(revision_)));
    if (!holds) return false;
  }
  return true;
}

absl::StatusOr<api::TxnResult> StoreView::ReadTxn(const api::TxnRequest& request) const {
  api::TxnResult result;
  result.revision.value = revision_;
  if (revision_ < shared_->compacted.load()) return api::ErrCompacted();
  REGENT_ASSIGN_OR_RETURN(result.succeeded, Succeeds(request));
  for (const api::RequestOp& operation : result.succeeded ? request.success : request.failure) {
    const auto* range = std::get_if<api::RangeRequest>(&operation);
    if (range == nullptr) return absl::InvalidArgumentError("a read transaction has ranges alone");
    REGENT_RETURN_IF_ERROR(CheckTxnRevision(range->revision, revision_, shared_->compacted.load()));
    REGENT_ASSIGN_OR_RETURN(api::RangeResult answer, Range(*range));
    result.responses.emplace_back(std::move(answer));
  }
  return result;
}

absl::StatusOr<EventSlice> StoreView::Events(std::string_view key, std::string_view range_end, api::Revision from,
                                             bool previous, size_t events_max) const {
  return ReadMissedEvents(*engine_, shared_->compacted,
                          MissedEventsRequest{.key = key,
                                              .range_end = range_end,
                                              .from = from.value,
                                              .through = revision_,
                                              .previous = previous,
                                              .events_max = events_max});
}

}  // namespace regent::storage
