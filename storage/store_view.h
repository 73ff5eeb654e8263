// The View that the state machine publishes: a revision, the counts of that revision and the engine. What makes it
// immutable is that rows above its revision are invisible to its reads; what is compacted below is shared and moves on.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "storage/counters.h"
#include "storage/engine.h"
#include "storage/key_counts.h"
#include "storage/ranges.h"
#include "storage/row_source.h"
#include "storage/view.h"

namespace regent::storage {

// What all views of one state machine share.
struct SharedState {
  std::atomic<int64_t> compacted{-1};  // as Counters has it
  PageCounts pages;
};

class StoreView final : public View {
 public:
  StoreView(std::shared_ptr<const Engine> engine, std::shared_ptr<SharedState> shared,
            std::shared_ptr<const CountTree> counts, const Counters& counters, int64_t logical_bytes);

  api::Revision revision() const override { return {revision_}; }
  api::Revision compacted() const override;
  int64_t logical_size() const override { return size_; }
  int64_t logical_size_in_use() const override { return size_; }
  uint64_t applied_index() const override { return applied_index_; }

  absl::StatusOr<api::RangeResult> Range(const api::RangeRequest& request) const override {
    return RangeInParts(request, SIZE_MAX);
  }
  absl::StatusOr<api::RangeResult> RangeInParts(const api::RangeRequest& request, size_t bytes_max) const override;
  absl::StatusOr<api::RangeSlice> Slice(const api::RangeRequest& request, size_t bytes_max) const override;
  absl::StatusOr<api::HashKvResult> HashKv(int64_t at, const std::atomic<bool>& stop) const override;
  absl::StatusOr<api::TxnResult> ReadTxn(const api::TxnRequest& request) const override;
  absl::StatusOr<EventSlice> Events(std::string_view key, std::string_view range_end, api::Revision from, bool previous,
                                    size_t events_max) const override;

  const Engine& engine() const { return *engine_; }

 private:
  absl::StatusOr<bool> Succeeds(const api::TxnRequest& request) const;

  const std::shared_ptr<const Engine> engine_;
  const std::shared_ptr<SharedState> shared_;
  const std::shared_ptr<const CountTree> counts_;
  const int64_t revision_;
  const int64_t size_;
  const uint64_t applied_index_;
};

}  // namespace regent::storage
