#include "storage/memory_engine.h"

#include <utility>

#include "api/contract/status_macros.h"
#include "api/contract/wire.h"
#include "glog/logging.h"
#include "storage/row_reader.h"

namespace regent::storage {

// Looks its row up again at every step, so that rows may come and go beside it; sees the states at its sequence.
class MemoryEngine::Iterator final : public RowIterator {
 public:
  Iterator(const MemoryEngine& engine, std::string upper_bound)
      : engine_(engine), upper_bound_(std::move(upper_bound)) {
    const std::lock_guard<std::mutex> lock(engine_.mutex_);
    sequence_ = engine_.sequence_;
    ++engine_.iterators_[sequence_];
  }
  ~Iterator() override {
    const std::lock_guard<std::mutex> lock(engine_.mutex_);
    const auto found = engine_.iterators_.find(sequence_);
    if (--found->second == 0) engine_.iterators_.erase(found);
  }

  void Seek(std::string_view row) override {
    const std::lock_guard<std::mutex> lock(engine_.mutex_);
    Settle(engine_.rows_.lower_bound(row));
  }
  void Next() override {
    CHECK(valid_);
    const std::lock_guard<std::mutex> lock(engine_.mutex_);
    Settle(engine_.rows_.upper_bound(row_));
  }
  bool Valid() const override { return valid_; }
  std::string_view row() const override { return row_; }
  std::string_view value() const override { return value_; }

 private:
  using Position = std::map<std::string, States, std::less<>>::const_iterator;

  // Takes the first row from `position` on that exists at the sequence. The lock is held.
  void Settle(Position position) {
    valid_ = false;
    for (; position != engine_.rows_.end() && position->first < upper_bound_; ++position) {
      const State* seen = nullptr;
      for (const State& state : position->second) {
        if (state.sequence <= sequence_) seen = &state;
      }
      if (seen == nullptr || !seen->value.has_value()) continue;
      row_ = position->first;
      value_ = *seen->value;
      valid_ = true;
      return;
    }
  }

  const MemoryEngine& engine_;
  const std::string upper_bound_;
  uint64_t sequence_ = 0;
  bool valid_ = false;
  std::string row_;
  std::string value_;
};

MemoryEngine::MemoryEngine(std::shared_ptr<MemoryDisk> disk, uint64_t generation, Files* files)
    : disk_(std::move(disk)), generation_(generation), files_(files) {
  for (const auto& [row, value] : disk_->rows) rows_[row].push_back(State{.sequence = 0, .value = value});
}

MemoryEngine::~MemoryEngine() { CHECK(iterators_.empty()) << "an iterator outlives its engine"; }

bool MemoryEngine::Get(std::string_view row, std::string* value) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = rows_.find(row);
  if (found == rows_.end() || !found->second.back().value.has_value()) return false;
  *value = *found->second.back().value;
  return true;
}

std::unique_ptr<RowIterator> MemoryEngine::Iterate(std::string upper_bound, Scope) const {
  return std::make_unique<Iterator>(*this, std::move(upper_bound));
}

void MemoryEngine::Write(const Batch& batch) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++sequence_;
  for (size_t i = 0; i < batch.count(); ++i) {
    const Batch::Operation operation = batch.at(i);
    Set(operation.row, operation.put ? std::optional<std::string>(operation.value) : std::nullopt);
  }
  unflushed_.push_back(batch);
}

// Forgets the states that no iterator can see any more. The lock is held.
void MemoryEngine::Set(std::string_view row, std::optional<std::string> value) {
  const auto found = rows_.find(row);
  States& states = found == rows_.end() ? rows_[std::string(row)] : found->second;
  if (!states.empty() && states.back().sequence == sequence_) states.pop_back();
  states.push_back(State{.sequence = sequence_, .value = std::move(value)});
  const uint64_t oldest = iterators_.empty() ? sequence_ : iterators_.begin()->first;
  while (states.size() > 1 && states[1].sequence <= oldest) states.pop_front();
  if (states.size() == 1 && !states.front().value.has_value()) rows_.erase(rows_.find(row));
}

absl::Status MemoryEngine::Flush() {
  const std::lock_guard<std::mutex> lock(mutex_);
  while (!unflushed_.empty()) FlushOldest();
  return absl::OkStatus();
}

void MemoryEngine::FlushBatches(size_t count) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (; count > 0 && !unflushed_.empty(); --count) FlushOldest();
}

void MemoryEngine::FlushOldest() {
  const Batch& batch = unflushed_.front();
  for (size_t i = 0; i < batch.count(); ++i) {
    const Batch::Operation operation = batch.at(i);
    if (operation.put) {
      disk_->rows.insert_or_assign(std::string(operation.row), std::string(operation.value));
    } else if (const auto found = disk_->rows.find(operation.row); found != disk_->rows.end()) {
      disk_->rows.erase(found);
    }
  }
  unflushed_.pop_front();
}

size_t MemoryEngine::unflushed_batches() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return unflushed_.size();
}

std::optional<std::string> MemoryEngine::GetPersisted(std::string_view row) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = disk_->rows.find(row);
  if (found == disk_->rows.end()) return std::nullopt;
  return found->second;
}

// As files are dropped in production: at once, ahead of what is not flushed, which may bring rows back.
void MemoryEngine::DropRange(std::string_view begin, std::string_view end) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++sequence_;
  const auto first = disk_->rows.lower_bound(begin);
  const auto last = disk_->rows.lower_bound(end);
  for (auto row = first; row != last; ++row) Set(row->first, std::nullopt);
  disk_->rows.erase(first, last);
}

namespace {

constexpr char kRowsFile[] = "/rows";

void AppendText(std::string& out, std::string_view text) {
  api::AppendVarint(out, text.size());
  out.append(text);
}

std::string TakeText(RowReader& reader) {
  const uint64_t size = reader.Varint();
  const std::string_view rest = reader.rest();
  CHECK_LE(size, rest.size()) << "a checkpoint that is cut off";
  reader = RowReader(rest.substr(size));
  return std::string(rest.substr(0, size));
}

}  // namespace

absl::Status MemoryEngine::Checkpoint(const std::string& directory) {
  if (files_ == nullptr) return absl::UnimplementedError("this engine makes no checkpoints");
  REGENT_RETURN_IF_ERROR(Flush());
  std::string bytes;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [row, value] : disk_->rows) AppendText(bytes, row), AppendText(bytes, value);
  }
  REGENT_RETURN_IF_ERROR(files_->CreateFolder(directory));
  REGENT_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, files_->Open(directory + kRowsFile, OpenMode::kCreateNew));
  REGENT_RETURN_IF_ERROR(file->WriteAt(0, bytes));
  REGENT_RETURN_IF_ERROR(file->SyncData());
  return files_->SyncFolder(directory);
}

absl::StatusOr<std::shared_ptr<MemoryDisk>> MemoryEngine::LoadCheckpoint(Files& files, const std::string& directory) {
  REGENT_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, files.Open(directory + kRowsFile, OpenMode::kExisting));
  REGENT_ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  std::string bytes(size, '\0');
  REGENT_ASSIGN_OR_RETURN(const size_t read, file->ReadAt(0, bytes.data(), bytes.size()));
  auto disk = std::make_shared<MemoryDisk>();
  for (RowReader reader(std::string_view(bytes).substr(0, read)); !reader.rest().empty();) {
    std::string row = TakeText(reader);
    disk->rows.insert_or_assign(std::move(row), TakeText(reader));
  }
  return disk;
}

}  // namespace regent::storage
