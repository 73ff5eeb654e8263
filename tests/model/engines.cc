#include "tests/model/engines.h"

#include <glog/logging.h>
#include <stdlib.h>

#include <filesystem>
#include <utility>

#include "storage/keys.h"
#include "storage/memory_engine.h"
#ifdef REGENT_MODEL_ROCKSDB
#include "storage/rocks_engine.h"
#endif

namespace regent::model {
namespace {

class MemoryDisk final : public Disk {
 public:
  std::shared_ptr<storage::Engine> Open() override {
    engine_.reset();
    engine_ = std::make_shared<storage::MemoryEngine>(rows_);
    return engine_;
  }
  void Crash(Random& random) override {
    engine_->FlushBatches(random.OneIn(3) ? 0 : random.Below(engine_->unflushed_batches() + 1));
  }

 private:
  std::shared_ptr<storage::MemoryDisk> rows_ = std::make_shared<storage::MemoryDisk>();
  std::shared_ptr<storage::MemoryEngine> engine_;
};

#ifdef REGENT_MODEL_ROCKSDB
class FlushingEngine final : public storage::Engine {
 public:
  FlushingEngine(std::shared_ptr<storage::Engine> engine, uint64_t seed) : engine_(std::move(engine)), random_(seed) {}

  bool Get(std::string_view row, std::string* value) const override { return engine_->Get(row, value); }
  std::unique_ptr<storage::RowIterator> Iterate(std::string upper_bound, storage::Scope scope) const override {
    return engine_->Iterate(std::move(upper_bound), scope);
  }
  void Write(const storage::Batch& batch) override {
    engine_->Write(batch);
    // A batch that ends with an event row is the middle of a large entry: the state that is seldom met.
    const bool inside_entry = !batch.empty() && batch.at(batch.count() - 1).row.starts_with(storage::kEventRows);
    if (random_.OneIn(inside_entry ? 10 : 400)) CHECK_EQ(engine_->Flush(), absl::OkStatus());
  }
  absl::Status Flush() override { return engine_->Flush(); }
  std::optional<std::string> GetPersisted(std::string_view row) const override { return engine_->GetPersisted(row); }
  void DropRange(std::string_view begin, std::string_view end) override { engine_->DropRange(begin, end); }
  absl::Status Checkpoint(const std::string& directory) override { return engine_->Checkpoint(directory); }
  uint64_t generation() const override { return engine_->generation(); }

 private:
  std::shared_ptr<storage::Engine> engine_;
  Random random_;
};

class RocksDisk final : public Disk {
 public:
  explicit RocksDisk(uint64_t seed) : random_(seed) {
    std::string folder = std::filesystem::temp_directory_path() / "regent-model-XXXXXX";
    CHECK(mkdtemp(folder.data()) != nullptr) << folder;
    folder_ = folder;
  }
  ~RocksDisk() override { std::filesystem::remove_all(folder_); }

  std::shared_ptr<storage::Engine> Open() override {
    auto engine = storage::OpenRocksEngine((folder_ / "store").string(), 1, {.memory_bytes = 32 << 20});
    CHECK(engine.ok()) << engine.status();
    return std::make_shared<FlushingEngine>(*std::move(engine), random_.Next());
  }
  void Crash(Random&) override {}  // an engine that is dropped leaves what was flushed

 private:
  std::filesystem::path folder_;
  Random random_;
};
#endif

}  // namespace

std::unique_ptr<Disk> MakeMemoryDisk() { return std::make_unique<MemoryDisk>(); }

std::unique_ptr<Disk> MakeRocksDisk([[maybe_unused]] uint64_t seed) {
#ifdef REGENT_MODEL_ROCKSDB
  return std::make_unique<RocksDisk>(seed);
#else
  return nullptr;
#endif
}

}  // namespace regent::model
