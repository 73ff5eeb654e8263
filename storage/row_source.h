// Where a read takes its rows from, and until when it may trust them.
//
// A reader on another thread races with the purge. The order that keeps it right:
//   1. The reader makes an iterator: what it sees does not change any more.
//   2. It then looks at the horizon. The purge moves the horizon before it deletes the first row. So an iterator that
//      could miss a row is always told so by the horizon, and the read ends with ErrCompacted.
// The apply loop is the purge's own thread and needs no horizon; its rows are the engine's with those of the running
// batch merged in.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/engine.h"
#include "storage/keys.h"

namespace regent::storage {

// Shared by the state machine, which moves it forward, and all its views.
struct Horizon {
  // Reads of revisions below are refused; -1: nothing was compacted (etcd starts there, so Compact(0) is possible once).
  std::atomic<int64_t> compacted{-1};
  // Rows that only revisions below need may be gone.
  std::atomic<int64_t> purged{0};
};

// The version and event rows of a batch that is not written yet, in order. Apply only ever puts such rows, so there is
// nothing to hide in the engine below.
class Overlay {
 public:
  explicit Overlay(const Batch& batch) : batch_(batch) {}

  // Takes in what was added to the batch since. Iterators that were made before must be gone.
  void Update();
  void Clear();  // the batch was written or dropped

  bool Get(std::string_view row, std::string* value) const;
  bool empty() const { return rows_.empty(); }

  // The engine's rows and these, in order.
  std::unique_ptr<RowIterator> Merge(std::unique_ptr<RowIterator> below, std::string upper_bound) const;

 private:
  class Iterator;

  const Batch& batch_;
  size_t taken_ = 0;                                    // operations of the batch
  std::map<std::string, size_t, std::less<>> rows_;     // row → operation
};

class RowSource {
 public:
  // For the owner of the state machine.
  explicit RowSource(const Engine& engine, const Overlay* overlay = nullptr) : engine_(&engine), overlay_(overlay) {}

  // For a reader of `revision`, which must not be below `*oldest` once the rows are pinned.
  RowSource(const Engine& engine, const std::atomic<int64_t>& oldest, int64_t revision)
      : engine_(&engine), oldest_(&oldest), revision_(revision) {}

  // ErrCompacted when the revision is not served any more.
  absl::StatusOr<std::unique_ptr<RowIterator>> Iterate(std::string upper_bound, Scope scope) const;
  bool Get(std::string_view row, std::string* value) const;

 private:
  const Engine* engine_;
  const Overlay* overlay_ = nullptr;
  const std::atomic<int64_t>* oldest_ = nullptr;
  int64_t revision_ = 0;
};

}  // namespace regent::storage
