#include "server/node/view_slices.h"

#include "api/contract/errors.h"
#include "api/contract/status_macros.h"

namespace regent::server {

absl::StatusOr<api::SlicedRange::Slice> ViewSlices::Next(size_t bytes_max) {
  REGENT_ASSIGN_OR_RETURN(api::RangeSlice slice, view_ == nullptr ? ReadFirst(bytes_max) : Read(bytes_max));
  given_ += slice.kvs.count();
  if (!unlimited_) request_.limit -= slice.kvs.count();
  Slice out;
  out.last = slice.next_key.empty() || (!unlimited_ && request_.limit == 0);
  if (out.last) REGENT_RETURN_IF_ERROR(Finish(slice, out.result));
  out.result.kvs = std::move(slice.kvs);
  request_.key = std::move(slice.next_key);
  return out;
}

absl::StatusOr<api::RangeSlice> ViewSlices::Read(size_t bytes_max) { return view_->Slice(request_, bytes_max); }

// A compaction may pass the view before its rows are pinned; the newest view is never below it.
absl::StatusOr<api::RangeSlice> ViewSlices::ReadFirst(size_t bytes_max) {
  while (true) {
    view_ = state_machine_.view();
    absl::StatusOr<api::RangeSlice> slice = Read(bytes_max);
    if (!slice.ok() && request_.revision.value <= 0 && slice.status() == api::ErrCompacted()) continue;
    if (request_.revision.value <= 0) request_.revision = view_->revision();
    return slice;
  }
}

// As etcd: the revision of the beginning, and the keys given with those behind the limit.
absl::Status ViewSlices::Finish(const api::RangeSlice& slice, api::RangeResult& result) {
  result.revision = view_->revision();
  result.more = !slice.next_key.empty();
  result.count = given_;
  if (!result.more) return absl::OkStatus();
  REGENT_ASSIGN_OR_RETURN(
      const api::RangeResult rest,
      view_->Range(
          {.key = slice.next_key, .range_end = request_.range_end, .revision = request_.revision, .count_only = true}));
  result.count += rest.count;
  return absl::OkStatus();
}

}  // namespace regent::server
