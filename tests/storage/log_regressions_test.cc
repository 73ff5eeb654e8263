// Bugs of other logs that must never be this one's (RK: the number in the list of such bugs). Each test is run on the
// log as it is, where it must find nothing, and on one with that bug planted, where it must.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/data_folder.h"
#include "storage/log_format.h"
#include "tests/storage/damaged_log.h"
#include "tests/storage/log_workload.h"
#include "tests/support/memory_disk.h"

namespace regent::testing {
namespace {

using storage::LogMutant;

// ---- torn tails ----------------------------------------------------------------------------------------------------

// What is wrong with a log whose last write, of `payload_bytes`, came to the disk only as far as `shape` says.
std::string OpenTorn(LogMutant mutant, size_t payload_bytes, const std::function<void(std::string&)>& shape) {
  MemoryDisk disk;
  if (!disk.CreateFolder(kTestFolder).ok()) return "no folder";
  OpenedLog opened = OpenLog(disk, SmallLogOptions(mutant));
  LogModel model;
  for (uint64_t index = 1; index <= 3; ++index) {
    const raft::Entry entry{
        .index = {index}, .term = {1}, .data = std::string(payload_bytes, static_cast<char>('a' + index))};
    if (!opened.log->Append({&entry, 1}).ok()) return "append";
    if (index < 3) model.entries.push_back(entry);
  }
  const std::string path = SegmentPaths(disk).front();
  const uint64_t batch_bytes =
      storage::PaddedBatchBytes(storage::kBatchHeaderBytes + storage::RecordBytes(payload_bytes));
  const uint64_t start = storage::kSegmentHeaderBytes + 2 * batch_bytes;
  const std::string whole = disk.Content(path).substr(start, batch_bytes);
  opened.log.reset();
  std::string torn = whole;
  shape(torn);
  disk.Damage(path, start, torn);
  opened = OpenLog(disk, SmallLogOptions(mutant));
  if (!opened.status.ok()) return opened.status.ToString();
  if (torn == whole) return "";
  std::string difference = DifferenceTo(model, opened.recovered, *opened.log);
  const bool nothing = torn.find_first_not_of('\0') == std::string::npos;
  if (difference.empty() && !nothing && opened.recovered.torn_bytes == 0) difference = "the torn tail is not reported";
  if (!difference.empty()) {
    // The padding alone is missing: the write is whole.
    model.entries.push_back({.index = {3}, .term = {1}, .data = std::string(payload_bytes, 'd')});
    if (DifferenceTo(model, opened.recovered, *opened.log).empty()) return "";
    return difference;
  }
  // The log goes on behind it, and is found again.
  const raft::Entry next{.index = {3}, .term = {2}, .data = std::string("next")};
  if (!opened.log->Append({&next, 1}).ok()) return "no append behind a torn tail";
  model.entries.push_back(next);
  opened = OpenLog(disk, SmallLogOptions(mutant));
  return opened.status.ok() ? DifferenceTo(model, opened.recovered, *opened.log) : opened.status.ToString();
}

std::string EveryTornTail(LogMutant mutant, uint64_t* shapes) {
  constexpr size_t kPayloadBytes = 2500;  // six sectors
  for (size_t bytes = 0; bytes <= kPayloadBytes + 600; ++bytes) {
    ++*shapes;
    const auto zeroes_behind = [&](std::string& batch) {
      if (bytes < batch.size()) batch.replace(bytes, std::string::npos, batch.size() - bytes, '\0');
    };
    if (std::string wrong = OpenTorn(mutant, kPayloadBytes, zeroes_behind); !wrong.empty()) {
      return std::to_string(bytes) + " bytes: " + wrong;
    }
  }
  for (uint32_t kept = 0; kept < 64; ++kept) {
    ++*shapes;
    const auto subset = [&](std::string& batch) {
      for (uint64_t sector = 0; sector * 512 < batch.size(); ++sector) {
        if ((kept >> sector & 1) == 0) batch.replace(sector * 512, 512, 512, '\0');
      }
    };
    if (std::string wrong = OpenTorn(mutant, kPayloadBytes, subset); !wrong.empty()) {
      return "sectors " + std::to_string(kept) + ": " + wrong;
    }
  }
  return "";
}

TEST(LogRegression, RK54_ATornTailInAnyShapeIsDiscardedReportedAndWrittenOver) {
  uint64_t shapes = 0;
  EXPECT_EQ(EveryTornTail(LogMutant::kNone, &shapes), "");
  EXPECT_GE(shapes, 3000u);
  EXPECT_NE(EveryTornTail(LogMutant::kTornTailRefused, &shapes), "") << "the planted bug was not found";
}

// ---- fields that cannot be -----------------------------------------------------------------------------------------

// Places of a marked log whose damage is not reported by DataLoss that names the batch.
uint64_t Unreported(LogMutant mutant, uint64_t field_at, size_t field_bytes, const std::vector<uint64_t>& values) {
  DamagedLog log(DamagedLog::End::kMarked, mutant);
  uint64_t unreported = 0;
  const std::vector<BatchPlace> batches = log.batches();
  for (size_t i = 0; i + 3 < batches.size(); i += 5) {
    if (batches[i].bytes < field_at + field_bytes + 8) continue;
    for (const uint64_t value : values) {
      std::string bytes(reinterpret_cast<const char*>(&value), field_bytes);
      if (log.Content(batches[i].path).substr(batches[i].offset + field_at, field_bytes) == bytes) continue;
      const DamagedLog::Outcome outcome = log.OpenWith(batches[i].path, batches[i].offset + field_at, bytes);
      const std::string place = batches[i].path + " at offset " + std::to_string(batches[i].offset) + ", index ";
      unreported += outcome.data_loss && outcome.message.find(place) != std::string::npos ? 0 : 1;
    }
  }
  return unreported;
}

const std::vector<uint64_t> kImpossible = {0,         1, 0x7fffffff, 0xffffffff, uint64_t{1} << 62, uint64_t{1} << 63,
                                           UINT64_MAX};

TEST(LogRegression, RK57_LengthsAndIndexesThatCannotBeAreReported) {
  constexpr uint64_t kRecord = storage::kBatchHeaderBytes;
  EXPECT_EQ(Unreported(LogMutant::kNone, 8, 8, kImpossible), 0u) << "length of a batch";
  EXPECT_EQ(Unreported(LogMutant::kNone, 24, 8, kImpossible), 0u) << "offset of a batch";
  EXPECT_EQ(Unreported(LogMutant::kNone, kRecord + 4, 4, kImpossible), 0u) << "length of a record";
  EXPECT_EQ(Unreported(LogMutant::kNone, kRecord + 16, 8, kImpossible), 0u) << "index of a record";
  EXPECT_GT(Unreported(LogMutant::kRecordHeaderUnchecked, kRecord + 16, 8, kImpossible), 0u)
      << "the planted bug was not found";
}

TEST(LogRegression, RK58_TheTypeOfARecordIsUnderItsChecksum) {
  constexpr uint64_t kType = storage::kBatchHeaderBytes + 24;
  const std::vector<uint64_t> types = {0, 1, 2, 3, 4, 5, 255};
  EXPECT_EQ(Unreported(LogMutant::kNone, kType, 1, types), 0u);
  EXPECT_GT(Unreported(LogMutant::kRecordHeaderUnchecked, kType, 1, types), 0u) << "the planted bug was not found";
}

// ---- a disk with a habit -------------------------------------------------------------------------------------------

// Everything as the disk below does it.
class FilesWrapper : public storage::Files {
 public:
  explicit FilesWrapper(storage::Files& below) : below_(below) {}
  absl::StatusOr<std::unique_ptr<storage::File>> Open(const std::string& path, storage::OpenMode mode) override {
    return below_.Open(path, mode);
  }
  absl::Status Rename(const std::string& from, const std::string& to) override { return below_.Rename(from, to); }
  absl::Status Remove(const std::string& path) override { return below_.Remove(path); }
  absl::StatusOr<std::vector<std::string>> List(const std::string& folder) override { return below_.List(folder); }
  absl::StatusOr<bool> Exists(const std::string& path) override { return below_.Exists(path); }
  absl::Status CreateFolder(const std::string& folder) override { return below_.CreateFolder(folder); }
  absl::Status RemoveEmptyFolder(const std::string& folder) override { return below_.RemoveEmptyFolder(folder); }
  absl::Status SyncFolder(const std::string& folder) override { return below_.SyncFolder(folder); }
  absl::StatusOr<uint64_t> FreeBytes(const std::string& folder) override { return below_.FreeBytes(folder); }
  absl::StatusOr<std::unique_ptr<storage::FileLock>> Lock(const std::string& path) override {
    return below_.Lock(path);
  }

 protected:
  storage::Files& below_;
};

// A sync that failed is repeated, as if the second one could make up for the first.
class RepeatsSyncs final : public FilesWrapper {
 public:
  using FilesWrapper::FilesWrapper;
  absl::StatusOr<std::unique_ptr<storage::File>> Open(const std::string& path, storage::OpenMode mode) override {
    absl::StatusOr<std::unique_ptr<storage::File>> file = below_.Open(path, mode);
    if (!file.ok()) return file.status();
    return std::make_unique<Repeating>(*std::move(file));
  }

 private:
  class Repeating final : public storage::File {
   public:
    explicit Repeating(std::unique_ptr<storage::File> file) : file_(std::move(file)) {}
    absl::StatusOr<size_t> ReadAt(uint64_t offset, char* buffer, size_t size) override {
      return file_->ReadAt(offset, buffer, size);
    }
    absl::Status WriteAt(uint64_t offset, std::string_view bytes) override { return file_->WriteAt(offset, bytes); }
    absl::Status SyncData() override {
      const absl::Status synced = file_->SyncData();
      return synced.ok() ? synced : file_->SyncData();
    }
    absl::Status Truncate(uint64_t size) override { return file_->Truncate(size); }
    absl::Status Allocate(uint64_t size) override { return file_->Allocate(size); }
    absl::StatusOr<uint64_t> Size() override { return file_->Size(); }
    const std::string& path() const override { return file_->path(); }

   private:
    const std::unique_ptr<storage::File> file_;
  };
};

// Acknowledged entries that a power loss takes after call number `call` of an append has failed.
uint64_t LostAfterAFailedSync(bool repeats) {
  uint64_t lost = 0;
  for (uint64_t call = 1; call <= 4; ++call) {
    MemoryDisk disk;
    RepeatsSyncs repeating(disk);
    storage::Files& files = repeats ? static_cast<storage::Files&>(repeating) : disk;
    EXPECT_TRUE(disk.CreateFolder(kTestFolder).ok());
    OpenedLog opened = OpenLog(files, SmallLogOptions());
    disk.FailCalls(disk.calls() + call, 1, DiskFault::kIoError);
    uint64_t acknowledged = 0;
    for (uint64_t index = 1; index <= 3; ++index) {
      const raft::Entry entry{.index = {index}, .term = {1}, .data = std::string(700, 'a')};
      if (!opened.log->Append({&entry, 1}).ok()) break;
      acknowledged = index;
    }
    const std::unique_ptr<MemoryDisk> after = disk.AfterCrash([](const UnsyncedPiece&) { return false; });
    const OpenedLog found = OpenLog(*after, SmallLogOptions());
    lost += !found.status.ok() || found.recovered.last_index.value < acknowledged ? 1 : 0;
  }
  return lost;
}

TEST(LogRegression, RK60_AFailedSyncIsNeverRepeatedAndNothingIsAcknowledgedBehindIt) {
  EXPECT_EQ(LostAfterAFailedSync(false), 0u);
  EXPECT_GT(LostAfterAFailedSync(true), 0u) << "the planted bug was not found";
}

// What a temporary file of an earlier life holds is written on, instead of a new one begun.
class ReusesLeftovers final : public FilesWrapper {
 public:
  using FilesWrapper::FilesWrapper;
  absl::Status Remove(const std::string& path) override {
    return path.ends_with(".new") ? absl::OkStatus() : below_.Remove(path);
  }
  absl::StatusOr<std::unique_ptr<storage::File>> Open(const std::string& path, storage::OpenMode mode) override {
    const bool reused = path.ends_with(".new") && *below_.Exists(path);
    return below_.Open(path, reused ? storage::OpenMode::kExisting : mode);
  }
};

void Leave(storage::Files& files, const std::string& path, const std::string& content) {
  auto file = files.Open(path, storage::OpenMode::kCreateNew);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->WriteAt(0, content).ok());
}

// A first start among leftovers of these contents, then a second one. Empty when both succeed.
std::string StartAmongLeftovers(const std::string& content, bool reuses) {
  MemoryDisk disk;
  ReusesLeftovers reusing(disk);
  storage::Files& files = reuses ? static_cast<storage::Files&>(reusing) : disk;
  for (const char* folder : {"/data", "/data/member", "/data/member/wal", "/data/member/snap"}) {
    EXPECT_TRUE(disk.CreateFolder(folder).ok());
  }
  for (const char* name : {"identity.new", "store-current.new", "reserve", "wal/spare-0000000000000001"}) {
    Leave(disk, std::string("/data/member/") + name, content);
  }
  const storage::NodeFacts facts{.identity = kTestIdentity, .name = "a"};
  const raft::Entry entry{.index = {1}, .term = {1}, .data = std::string("first")};
  for (int start = 1; start <= 2; ++start) {
    auto folder = storage::DataFolder::Open(files, {.data_dir = "/data", .wal_dir = ""});
    if (!folder.ok()) return folder.status().ToString();
    if (const absl::Status claimed = (*folder)->Claim(facts); !claimed.ok()) return claimed.ToString();
    storage::RecoveredLog recovered;
    storage::LogOptions options = SmallLogOptions();
    options.seed = 100 + static_cast<uint64_t>(start);  // drawn anew for every start
    auto log = storage::LogStore::Open(files, (*folder)->wal_path(), kTestIdentity, options, &recovered);
    if (!log.ok()) return log.status().ToString();
    if (start == 1 && !(*log)->Append({&entry, 1}).ok()) return "append";
    if (start == 2 && (*log)->Read({1}, 100)->front() != entry) return "the entry is gone";
    if (!disk.CreateFolder((*folder)->store_path()).ok()) return "store";
    if (const absl::Status complete = (*folder)->Complete(); !complete.ok()) return complete.ToString();
    if (start == 2 && (!(*folder)->complete() || *(*folder)->facts() != facts)) return "another owner";
  }
  return "";
}

TEST(LogRegression, RK18_LeftoversOfTemporaryFilesMeanNothing) {
  DamagedLog other(DamagedLog::End::kMarked);
  const std::string segment = other.Content(other.paths().front());
  for (const std::string& content : {std::string(), std::string(300, 'x'), segment.substr(0, 6000), segment}) {
    EXPECT_EQ(StartAmongLeftovers(content, false), "") << content.size() << " bytes";
  }
  EXPECT_NE(StartAmongLeftovers(std::string(300, 'x'), true), "") << "the planted bug was not found";
}

}  // namespace
}  // namespace regent::testing
