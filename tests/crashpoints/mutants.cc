#include "tests/crashpoints/mutants.h"

#include <algorithm>
#include <utility>

#include "glog/logging.h"
#include "storage/counters.h"
#include "storage/keys.h"

namespace regent::crashpoints {
namespace {

using storage::Batch;

// A flush by somebody else comes between two halves of a batch this often.
constexpr uint64_t kFlushOneIn = 12;

class SpoiledEngine final : public storage::Engine {
 public:
  SpoiledEngine(std::shared_ptr<storage::Engine> engine, Mutant mutant, std::function<bool(uint64_t)> chance)
      : engine_(std::move(engine)), mutant_(mutant), chance_(std::move(chance)) {}

  bool Get(std::string_view row, std::string* value) const override {
    const bool found = engine_->Get(row, value);
    if (found && mutant_ == Mutant::kRevisionFromRows && row == storage::kCountersRow) {
      storage::Counters counters = storage::DecodeCounters(*value);
      counters.revision = NewestVersion();
      *value = storage::EncodeCounters(counters);
    }
    return found;
  }

  void Write(const Batch& batch) override {
    if (batch.empty()) return;
    const bool counted = batch.at(batch.count() - 1).row == storage::kCountersRow;
    const size_t last = batch.count() - 1;
    switch (mutant_) {
      case Mutant::kAppliedBeforeData:
        if (counted && last > 0) return WriteInTwo(batch, last, batch.count(), 0, last);
        break;
      case Mutant::kAppliedBehindData:
        if (counted && last > 0) return WriteInTwo(batch, 0, last, last, batch.count());
        break;
      case Mutant::kBatchTorn:
        if (counted && last > 1) return WriteInTwo(batch, last / 2, batch.count(), 0, last / 2);
        break;
      case Mutant::kRefusedNotCounted:
        if (counted && last == 0) return;
        break;
      default:
        break;
    }
    engine_->Write(batch);
  }

  std::unique_ptr<storage::RowIterator> Iterate(std::string upper_bound, storage::Scope scope) const override {
    return engine_->Iterate(std::move(upper_bound), scope);
  }
  absl::Status Flush() override { return engine_->Flush(); }
  std::optional<std::string> GetPersisted(std::string_view row) const override { return engine_->GetPersisted(row); }
  void DropRange(std::string_view begin, std::string_view end) override { engine_->DropRange(begin, end); }
  absl::Status Checkpoint(const std::string& directory) override { return engine_->Checkpoint(directory); }
  uint64_t generation() const override { return engine_->generation(); }

 private:
  void WriteInTwo(const Batch& batch, size_t first, size_t first_end, size_t second, size_t second_end) {
    WritePart(batch, first, first_end);
    if (chance_(kFlushOneIn)) CHECK_EQ(engine_->Flush(), absl::OkStatus());
    WritePart(batch, second, second_end);
  }
  void WritePart(const Batch& batch, size_t from, size_t to) {
    Batch part;
    for (size_t i = from; i < to; ++i) {
      const Batch::Operation operation = batch.at(i);
      if (operation.put) {
        part.Put(operation.row, operation.value);
      } else {
        part.Delete(operation.row);
      }
    }
    engine_->Write(part);
  }
  int64_t NewestVersion() const {
    int64_t newest = 1;
    const std::unique_ptr<storage::RowIterator> row = engine_->Iterate("w", storage::Scope::kAll);
    for (row->Seek("v"); row->Valid(); row->Next()) {
      newest = std::max(newest, storage::PositionOfVersionRow(row->row()).revision);
    }
    return newest;
  }

  const std::shared_ptr<storage::Engine> engine_;
  const Mutant mutant_;
  const std::function<bool(uint64_t)> chance_;
};

}  // namespace

const std::vector<MutantFacts>& AllMutants() {
  static const std::vector<MutantFacts> all = {
      {Mutant::kAcknowledgeBeforePersisted, "acknowledge-before-persisted", "RK-02"},
      {Mutant::kLogUnsynced, "log-unsynced", "RK-02"},
      {Mutant::kRollUnsynced, "roll-unsynced", "RK-63"},
      {Mutant::kOpenUnsynced, "open-unsynced", "kill"},
      {Mutant::kReleaseUnflushedLog, "release-unflushed-log", "start"},
      {Mutant::kTablesUnsynced, "tables-unsynced", ""},
      {Mutant::kManifestUnsynced, "manifest-unsynced", ""},
      {Mutant::kStoreFolderUnsynced, "store-folder-unsynced", ""},
      {Mutant::kAppliedBeforeData, "applied-before-data", "RK-01"},
      {Mutant::kAppliedBehindData, "applied-behind-data", "RK-03"},
      {Mutant::kRefusedNotCounted, "refused-not-counted", "RK-04"},
      {Mutant::kPurgeBeforeCompaction, "purge-before-compaction", ""},
      {Mutant::kRevisionFromRows, "revision-from-rows", "RK-09"},
      {Mutant::kPurgeTakesDeletes, "purge-takes-deletes", "RK-11"},
      {Mutant::kBatchTorn, "batch-torn", "RK-68"},
      {Mutant::kAnswerOneAhead, "answer-one-ahead", "answer"},
      {Mutant::kAnswerOneAhead, "first-answer-one-ahead", "write"},
      {Mutant::kLogUnsynced, "second-log-unsynced", "second"},
  };
  return all;
}

std::optional<Mutant> FindMutant(std::string_view name) {
  for (const MutantFacts& facts : AllMutants()) {
    if (facts.name == name) return facts.mutant;
  }
  return std::nullopt;
}

storage::LogMutant LogMutantOf(Mutant mutant) {
  switch (mutant) {
    case Mutant::kLogUnsynced:
      return storage::LogMutant::kAppendWithoutSync;
    case Mutant::kRollUnsynced:
      return storage::LogMutant::kRollWithoutFolderSync;
    case Mutant::kOpenUnsynced:
      return storage::LogMutant::kOpenWithoutSync;
    default:
      return storage::LogMutant::kNone;
  }
}

testing::DroppedSyncs DroppedSyncsOf(Mutant mutant) {
  return {.tables = mutant == Mutant::kTablesUnsynced,
          .manifest = mutant == Mutant::kManifestUnsynced,
          .folder = mutant == Mutant::kStoreFolderUnsynced};
}

std::shared_ptr<storage::Engine> Spoil(std::shared_ptr<storage::Engine> engine, Mutant mutant,
                                       std::function<bool(uint64_t)> chance) {
  switch (mutant) {
    case Mutant::kAppliedBeforeData:
    case Mutant::kAppliedBehindData:
    case Mutant::kBatchTorn:
    case Mutant::kRefusedNotCounted:
    case Mutant::kRevisionFromRows:
      return std::make_shared<SpoiledEngine>(std::move(engine), mutant, std::move(chance));
    default:
      return engine;
  }
}

}  // namespace regent::crashpoints
