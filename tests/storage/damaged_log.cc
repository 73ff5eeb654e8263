#include "tests/storage/damaged_log.h"

#include "absl/status/status.h"
#include "glog/logging.h"
#include "storage/log_format.h"

namespace regent::testing {
namespace {

constexpr uint64_t kSegmentBytes = 112 << 10;

}  // namespace

DamagedLog::DamagedLog(End end, storage::LogMutant mutant) : options_(SmallLogOptions(mutant)) {
  options_.segment_bytes = kSegmentBytes;
  options_.prefill_bytes = 8 << 10;
  disk_ = std::make_unique<MemoryDisk>();
  CHECK(disk_->CreateFolder(kTestFolder).ok());
  OpenedLog opened = OpenLog(*disk_, options_);
  CHECK(opened.status.ok()) << opened.status;
  LogDriver driver(7, {.append = 80,
                       .conflict = 4,
                       .hard_state = 4,
                       .release = 0,
                       .reset = 0,
                       .mark = 4,
                       .prepare = 4,
                       .payload_bytes_max = 3000,
                       .large_payload_bytes = 0});
  while (SegmentPaths(*disk_).size() < 3 || disk_->Content(SegmentPaths(*disk_).back()).size() < 40 << 10) {
    CHECK(driver.Step(*opened.log).ok());
  }
  model_ = driver.acknowledged();
  Finish(*opened.log, end);
  opened.log.reset();
  pristine_ = disk_->AfterCrash([](const UnsyncedPiece&) { return true; });
  disk_ = Pristine();
  hash_ = disk_->Hash();
  FindBatches();
  batches_.back().last_with_entries = model_before_last_.has_value();
}

void DamagedLog::Finish(storage::LogStore& log, End end) {
  // The state of term and vote is one that an older copy would contradict.
  model_.hard_state = {.term = {1000}, .vote = {3}};
  CHECK(log.SaveHardState(model_.hard_state).ok());
  if (end == End::kMarked) {
    CHECK(log.WriteMark().ok());
    return;
  }
  model_before_last_ = model_;
  const size_t payload_bytes = end == End::kUnmarked ? 2300 : 100;
  const raft::Entry entry{.index = {model_.last_index() + 1}, .term = {30}, .data = std::string(payload_bytes, 'z')};
  CHECK(log.Append({&entry, 1}).ok());
  model_.entries.push_back(entry);
}

DamagedLog::Outcome DamagedLog::OpenWith(const std::string& path, uint64_t offset, std::string_view bytes) {
  const std::string before = disk_->Content(path).substr(offset, bytes.size());
  disk_->Damage(path, offset, bytes);
  Outcome outcome;
  OpenedLog opened = OpenLog(*disk_, options_);
  if (absl::IsDataLoss(opened.status)) {
    outcome.data_loss = true;
    outcome.message = std::string(opened.status.message());
  } else if (!opened.status.ok()) {
    outcome.silent = "not DataLoss: " + opened.status.ToString();
  } else {
    outcome.torn_bytes = opened.recovered.torn_bytes;
    outcome.repaired = !opened.recovered.notes.empty();
    outcome.silent = DifferenceTo(model_, opened.recovered, *opened.log);
    if (!outcome.silent.empty() && model_before_last_ &&
        DifferenceTo(*model_before_last_, opened.recovered, *opened.log).empty()) {
      outcome.last_missing = true;
      outcome.silent.clear();
    }
  }
  opened.log.reset();
  if (opened.status.ok()) {
    disk_ = Pristine();
  } else {
    disk_->Damage(path, offset, before);
  }
  return outcome;
}

const BatchPlace* DamagedLog::BatchAt(const std::string& path, uint64_t offset) const {
  for (const BatchPlace& batch : batches_) {
    if (batch.path == path && offset >= batch.offset && offset < batch.offset + batch.bytes) return &batch;
  }
  return nullptr;
}

std::unique_ptr<MemoryDisk> DamagedLog::Pristine() {
  return pristine_->AfterCrash([](const UnsyncedPiece&) { return true; });
}

void DamagedLog::FindBatches() {
  for (const std::string& path : SegmentPaths(*disk_)) {
    const std::string content = disk_->Content(path);
    const auto header = storage::DecodeSegmentHeader(content);
    CHECK(header.ok()) << header.status();
    uint64_t at = storage::kSegmentHeaderBytes;
    while (true) {
      const auto batch = storage::DecodeBatchHeader(std::string_view(content).substr(at), header->seed,
                                                    {.sequence = header->sequence, .offset = at});
      if (!batch) break;
      batches_.push_back({.path = path, .offset = at, .bytes = batch->bytes});
      at += storage::PaddedBatchBytes(batch->bytes);
    }
  }
}

}  // namespace regent::testing
