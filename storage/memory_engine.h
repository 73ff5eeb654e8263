// An engine in memory, for tests, for the simulator and for builds without RocksDB: an ordered map that loses what was
// not flushed. Deterministic: nothing becomes durable unless Flush or FlushBatches says so.
//
// A crash is: drop the engine, open another one on the same MemoryDisk.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "storage/engine.h"
#include "storage/files.h"

namespace regent::storage {

// What outlives a crash. One engine at a time uses it.
struct MemoryDisk {
  std::map<std::string, std::string, std::less<>> rows;
};

// Threads: as the seam says; one lock around every access.
class MemoryEngine final : public Engine {
 public:
  // `files`: where checkpoints go; null: there are none. Outlives the engine.
  explicit MemoryEngine(std::shared_ptr<MemoryDisk> disk, uint64_t generation = 1, Files* files = nullptr);
  ~MemoryEngine() override;

  bool Get(std::string_view row, std::string* value) const override;
  std::unique_ptr<RowIterator> Iterate(std::string upper_bound, Scope scope) const override;
  void Write(const Batch& batch) override;
  [[nodiscard]] absl::Status Flush() override;
  std::optional<std::string> GetPersisted(std::string_view row) const override;
  void DropRange(std::string_view begin, std::string_view end) override;
  [[nodiscard]] absl::Status Checkpoint(const std::string& directory) override;
  uint64_t generation() const override { return generation_; }

  // What Checkpoint wrote, as the disk of another engine.
  static absl::StatusOr<std::shared_ptr<MemoryDisk>> LoadCheckpoint(Files& files, const std::string& directory);

  // Makes the oldest `count` batches that are not durable yet durable: what a crash in the middle leaves behind.
  void FlushBatches(size_t count);
  size_t unflushed_batches() const;

 private:
  class Iterator;
  // One state of a row; nullopt: deleted. States are kept while an iterator may still see them.
  struct State {
    uint64_t sequence = 0;
    std::optional<std::string> value;
  };
  using States = std::deque<State>;  // oldest first

  void Set(std::string_view row, std::optional<std::string> value);
  void FlushOldest();

  const std::shared_ptr<MemoryDisk> disk_;
  const uint64_t generation_;
  Files* const files_;
  mutable std::mutex mutex_;  // guards everything below and *disk_
  std::map<std::string, States, std::less<>> rows_;
  uint64_t sequence_ = 0;                         // counts batches
  mutable std::map<uint64_t, size_t> iterators_;  // sequence → how many iterators stand on it
  std::deque<Batch> unflushed_;
};

}  // namespace regent::storage
