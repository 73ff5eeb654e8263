#include "storage/store_view.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "api/contract/errors.h"
#include "api/contract/status_macros.h"
#include "storage/compare.h"
#include "storage/kv_writer.h"
#include "storage/missed_events.h"

namespace regent::storage {

StoreView::StoreView(std::shared_ptr<const Engine> engine, std::shared_ptr<SharedState> shared,
                     std::shared_ptr<const CountTree> counts, const Counters& counters)
    : engine_(std::move(engine)),
      shared_(std::move(shared)),
      counts_(std::move(counts)),
      revision_(counters.revision),
      size_(counters.size),
      applied_index_(counters.applied_index) {}

api::Revision StoreView::compacted() const { return {std::max<int64_t>(shared_->horizon.compacted.load(), 0)}; }

// The current revision cannot be compacted for somebody who asks for "now": there only the rows' absence counts.
absl::StatusOr<api::RangeResult> StoreView::Range(const api::RangeRequest& request) const {
  const int64_t revision = request.revision.value;
  if (revision > revision_) return api::ErrFutureRevision();
  if (revision > 0 && revision < shared_->horizon.compacted.load()) return api::ErrCompacted();
  const RowSource rows = revision > 0 ? RowSource(*engine_, shared_->horizon.compacted, revision)
                                      : RowSource(*engine_, shared_->horizon.purged, revision_);
  return ReadRange(RangeState{.rows = rows,
                              .counts = *counts_,
                              .newest = Through(revision_),
                              .revision = revision_,
                              .pages = &shared_->pages},
                   request);
}

absl::StatusOr<bool> StoreView::Succeeds(const api::TxnRequest& request) const {
  const RowSource rows(*engine_, shared_->horizon.purged, revision_);
  for (const api::Compare& compare : request.compare) {
    REGENT_ASSIGN_OR_RETURN(const bool holds, HoldsAt(compare, rows, Through(revision_)));
    if (!holds) return false;
  }
  return true;
}

absl::StatusOr<api::TxnResult> StoreView::ReadTxn(const api::TxnRequest& request) const {
  api::TxnResult result;
  result.revision.value = revision_;
  REGENT_ASSIGN_OR_RETURN(result.succeeded, Succeeds(request));
  for (const api::RequestOp& operation : result.succeeded ? request.success : request.failure) {
    const auto* range = std::get_if<api::RangeRequest>(&operation);
    if (range == nullptr) return absl::InvalidArgumentError("a read transaction has ranges alone");
    REGENT_RETURN_IF_ERROR(CheckTxnRevision(range->revision, revision_, shared_->horizon.compacted.load()));
    REGENT_ASSIGN_OR_RETURN(api::RangeResult answer, Range(*range));
    result.responses.emplace_back(std::move(answer));
  }
  return result;
}

absl::StatusOr<EventSlice> StoreView::Events(std::string_view key, std::string_view range_end, api::Revision from,
                                             bool previous, size_t events_max) const {
  return ReadMissedEvents(*engine_, shared_->horizon,
                          MissedEventsRequest{.key = key,
                                              .range_end = range_end,
                                              .from = from.value,
                                              .through = revision_,
                                              .previous = previous,
                                              .events_max = events_max});
}

}  // namespace regent::storage
