// A log over three small segments, on a disk that is damaged in one place and mended again. What Open makes of each
// damage is judged against what the log acknowledged.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/storage/log_workload.h"
#include "tests/support/memory_disk.h"

namespace regent::testing {

struct BatchPlace {
  std::string path;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  bool last_with_entries = false;  // of a log whose last batch has no mark behind it
};

class DamagedLog {
 public:
  // How the log ended: with the mark that says everything before it is durable, or killed before it was written; then
  // the last batch takes several sectors or a single one.
  enum class End { kMarked, kUnmarked, kUnmarkedSmall };

  explicit DamagedLog(End end, storage::LogMutant mutant = storage::LogMutant::kNone);

  struct Outcome {
    bool data_loss = false;
    std::string message;
    std::string silent;         // what is wrong although Open was content
    bool last_missing = false;  // Open was content without the last batch
    uint64_t torn_bytes = 0;    // reported as a torn tail
    bool repaired = false;      // a note says so
  };

  // Opens the log with these bytes in this place, then restores everything.
  Outcome OpenWith(const std::string& path, uint64_t offset, std::string_view bytes);

  const std::vector<BatchPlace>& batches() const { return batches_; }
  std::vector<std::string> paths() { return SegmentPaths(*disk_); }
  std::string Content(const std::string& path) { return disk_->Content(path); }
  bool unchanged() const { return disk_->Hash() == hash_; }
  const BatchPlace* BatchAt(const std::string& path, uint64_t offset) const;

 private:
  std::unique_ptr<MemoryDisk> Pristine();
  void Finish(storage::LogStore& log, End end);
  void FindBatches();

  storage::LogOptions options_;
  std::unique_ptr<MemoryDisk> disk_;
  std::unique_ptr<MemoryDisk> pristine_;
  uint64_t hash_ = 0;
  LogModel model_;
  std::optional<LogModel> model_before_last_;
  std::vector<BatchPlace> batches_;
};

}  // namespace regent::testing
