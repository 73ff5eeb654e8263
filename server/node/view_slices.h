// A range read from the state machine's views in slices, for RangeStream: at the revision that was current when the
// first slice was read, if the request names none.
//
// Used by one thread at a time. The state machine outlives it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "api/service/backend.h"
#include "storage/state_machine.h"

namespace regent::server {

class ViewSlices final : public api::SlicedRange {
 public:
  ViewSlices(const storage::StateMachine& state_machine, api::RangeRequest request)
      : state_machine_(state_machine), request_(std::move(request)), unlimited_(request_.limit <= 0) {}

  absl::StatusOr<Slice> Next(size_t bytes_max) override;

 private:
  absl::StatusOr<api::RangeSlice> Read(size_t bytes_max);
  absl::StatusOr<api::RangeSlice> ReadFirst(size_t bytes_max);
  absl::Status Finish(const api::RangeSlice& slice, api::RangeResult& result);

  const storage::StateMachine& state_machine_;
  std::shared_ptr<const storage::View> view_;  // of the first slice
  api::RangeRequest request_;                  // what is still to be read
  const bool unlimited_;
  int64_t given_ = 0;  // keys, in all slices
};

}  // namespace regent::server
