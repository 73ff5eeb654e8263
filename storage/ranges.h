// Answers a RangeRequest from rows, for views and inside transactions, with everything that is odd about it (contract:
// the limit, "more", the sorts, the filters and the count are those of etcd, quirk by quirk).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "api/contract/requests.h"
#include "api/contract/results.h"
#include "storage/key_counts.h"
#include "storage/versions.h"

namespace regent::storage {

// What a page of a list left over: how many keys [key, range_end) had at a revision. History does not change, so an
// entry is right for ever; it saves the next page of an older revision from counting again. From any thread; bounded.
class PageCounts {
 public:
  void Note(std::string_view key, std::string_view range_end, int64_t revision, int64_t count);
  std::optional<int64_t> Find(std::string_view key, std::string_view range_end, int64_t revision) const;

 private:
  struct Entry {
    std::string key;
    std::string range_end;
    int64_t revision = 0;
    int64_t count = 0;
  };
  static constexpr size_t kSlots = 256;
  static size_t SlotOf(std::string_view key, std::string_view range_end, int64_t revision);

  std::array<std::shared_ptr<const Entry>, kSlots> slots_;  // through std::atomic_load and std::atomic_store alone
};

// Beyond `bytes_max` of key-values in key order an answer keeps a cursor instead, and the engine with it.
struct RangeParts {
  std::shared_ptr<const Engine> engine;  // what the rows come from; null: everything is read at once
  size_t bytes_max = SIZE_MAX;
};

// The state that a range is answered from.
struct RangeState {
  const RowSource& rows;
  const CountTree& counts;      // as of `newest`
  Position newest;              // nothing above it is visible
  int64_t revision = 0;         // what the answer's header says
  PageCounts* pages = nullptr;  // none inside transactions
  RangeParts parts;
};

// REQUIRES: request.revision is not in the future. Errors: ErrCompacted, from the rows.
absl::StatusOr<api::RangeResult> ReadRange(const RangeState& state, const api::RangeRequest& request);

// View::Slice, from rows that are served at `at`.
absl::StatusOr<api::RangeSlice> ReadSlice(const RowSource& rows, Position at, const api::RangeRequest& request,
                                          size_t bytes_max);

}  // namespace regent::storage
