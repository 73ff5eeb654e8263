// An immutable state of the store at one revision, for readers on any thread. Holding a View keeps what it needs alive;
// it costs nothing to the writer. A view answers at its revision and, through the requests, at older ones down to the
// compacted revision *as it is now* (a compaction after the view was taken counts: it pins first, then checks).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "api/contract/requests.h"
#include "api/contract/results.h"
#include "storage/events.h"

namespace regent::storage {

// A slice of the events that a watcher missed.
struct EventSlice {
  std::shared_ptr<const EventBatch> events;  // whole revisions, ascending; those in the range alone; may be null
  api::Revision next;                        // the revision to go on with; above the view's revision: caught up
};

class View {
 public:
  virtual ~View() = default;

  virtual api::Revision revision() const = 0;
  virtual api::Revision compacted() const = 0;      // 0 when nothing was compacted; as it is now
  virtual int64_t logical_size() const = 0;         // bytes of live rows, history and leases, as the quota counts them
  virtual int64_t logical_size_in_use() const = 0;  // bytes of what is not yet to be purged
  virtual uint64_t applied_index() const = 0;

  // Errors: ErrCompacted, ErrFutureRevision. The request's key range is taken as validated. A request for the current
  // revision (0) meets ErrCompacted when a compaction has passed this view: take the state machine's newest view, which
  // is never below the compaction, and ask again.
  virtual absl::StatusOr<api::RangeResult> Range(const api::RangeRequest& request) const = 0;

  // As Range, but what is beyond about `bytes_max` of key-values in key order stays in the result's `rest`, to be read
  // while the answer leaves. A view may also give everything at once.
  virtual absl::StatusOr<api::RangeResult> RangeInParts(const api::RangeRequest& request, size_t /*bytes_max*/) const {
    return Range(request);
  }

  // The keys of request.key to request.range_end at request.revision (0: this view's) in their order, at most
  // request.limit of them, up to about `bytes_max` (one key at least). Sort, filters, `count_only` and `serializable`
  // are not looked at. Errors: ErrCompacted, ErrFutureRevision.
  virtual absl::StatusOr<api::RangeSlice> Slice(const api::RangeRequest& request, size_t bytes_max) const = 0;

  // etcd's HashKV at `at` (0: this view's revision), see hash_kv.h. It reads the whole store once, or a few times:
  // seconds for millions of keys. Ends with ErrStopped soon after `stop` is set.
  // Errors: ErrCompacted, ErrFutureRevision, ErrStopped.
  virtual absl::StatusOr<api::HashKvResult> HashKv(int64_t at, const std::atomic<bool>& stop) const = 0;

  // All compares and ranges at this view's revision; the chosen branch has ranges alone.
  virtual absl::StatusOr<api::TxnResult> ReadTxn(const api::TxnRequest& request) const = 0;

  // Events of keys in [key, range_end) (range_end as the wire says it) from revision `from` on, at most about
  // `events_max` rows of the index read, always whole revisions (one revision at least). With previous values when
  // asked. ErrCompacted when `from` is below the compacted revision.
  virtual absl::StatusOr<EventSlice> Events(std::string_view key, std::string_view range_end, api::Revision from,
                                            bool previous, size_t events_max) const = 0;
};

// One slice of the purge: what to delete and how far it comes. Made by PlanPurge, carried out by RunPurge.
struct PurgePlan {
  uint64_t generation = 0;
  std::vector<std::string> rows;            // engine rows to delete
  std::vector<std::string> tombstone_keys;  // keys of the tombstones among them
  api::Revision purged_through;             // after this slice
  std::string progress;                     // where the next slice starts, as a row
};

}  // namespace regent::storage
