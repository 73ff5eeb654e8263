// Where a read takes its rows from, and until when it may trust them.
//
// A reader on another thread races with the purge. The order that keeps it right:
//   1. The reader makes an iterator: what it sees does not change any more.
//   2. It then looks at the compacted revision. A compaction moves it before the first row is purged, so an iterator
//      that could miss a row always comes with a compacted revision above the one that is read: ErrCompacted.
// The apply loop is the purge's own thread and needs none of that; its rows are the engine's with those of the running
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
  size_t taken_ = 0;                                 // operations of the batch
  std::map<std::string, size_t, std::less<>> rows_;  // row → operation
};

class RowSource {
 public:
  // For the owner of the state machine.
  explicit RowSource(const Engine& engine, const Overlay* overlay = nullptr) : engine_(&engine), overlay_(overlay) {}

  // For a reader of `revision`, which must not be below the compacted revision once the rows are pinned.
  RowSource(const Engine& engine, const std::atomic<int64_t>& compacted, int64_t revision)
      : engine_(&engine), compacted_(&compacted), revision_(revision) {}

  // ErrCompacted when the revision is not served any more.
  absl::StatusOr<std::unique_ptr<RowIterator>> Iterate(std::string upper_bound, Scope scope) const;
  bool Get(std::string_view row, std::string* value) const;

 private:
  const Engine* engine_;
  const Overlay* overlay_ = nullptr;
  const std::atomic<int64_t>* compacted_ = nullptr;
  int64_t revision_ = 0;
};

}  // namespace regent::storage
