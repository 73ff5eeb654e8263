// The small files of the data folder: every byte changed, zeroed, cut off at every length, missing.
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "glog/logging.h"
#include "storage/crc32c.h"
#include "storage/data_folder.h"
#include "storage/reserve_file.h"
#include "tests/corrupt/matrix.h"
#include "tests/support/memory_disk.h"

namespace regent::testing {
namespace {

constexpr char kDataDir[] = "/data";
constexpr char kMember[] = "/data/member/";
constexpr uint64_t kReserveBytes = 4096;
const storage::NodeFacts kFacts{.identity = {.cluster_id = 0x1234, .node_id = 0xabcd}, .name = "infra-1"};

constexpr char kChanged[] = "one byte changed";
constexpr char kZeroed[] = "zeroed";
constexpr char kCut[] = "cut off, at every length";
constexpr char kMissing[] = "missing";

absl::StatusOr<std::unique_ptr<storage::DataFolder>> OpenFolder(storage::Files& files) {
  return storage::DataFolder::Open(files, {.data_dir = kDataDir, .wal_dir = ""});
}

// A complete folder whose second store counts; the log and the stores are stand-ins.
void MakeFolder(MemoryDisk& disk) {
  auto folder = OpenFolder(disk);
  CHECK(folder.ok()) << folder.status();
  CHECK((*folder)->Claim(kFacts).ok());
  CHECK(disk.Open((*folder)->wal_path() + "/0000000000000001.log", storage::OpenMode::kCreateNew).ok());
  CHECK(disk.CreateFolder((*folder)->store_path()).ok());
  CHECK((*folder)->Complete().ok());
  CHECK(disk.CreateFolder((*folder)->next_store_path()).ok());
  CHECK((*folder)->SwitchStore().ok());
  storage::ReserveFile reserve(disk, (*folder)->reserve_path(), {.bytes = kReserveBytes});
  CHECK(reserve.Hold().ok());
  auto lock = disk.Open(std::string(kMember) + "lock", storage::OpenMode::kCreateNew);
  CHECK(lock.ok() && (*lock)->WriteAt(0, "4242\n").ok());
}

struct Metadata {
  std::string name;
  std::string region;
};

// A start on this disk, judged.
void Judge(MemoryDisk& disk, const Metadata& file, const char* column, const std::string& where, OutcomeTable& table) {
  const auto folder = OpenFolder(disk);
  if (!folder.ok()) {
    const std::string message(folder.status().message());
    if (message.find(kMember + file.name) == std::string::npos) {
      return table.AddSilent(where, "the file is not named: " + message);
    }
    return table.Add(file.region, column, "stops: names the file");
  }
  storage::ReserveFile reserve(disk, (*folder)->reserve_path(), {.bytes = kReserveBytes});
  if (!reserve.Hold().ok()) return table.AddSilent(where, "the reserve cannot be held");
  if (!(*folder)->complete() || (*folder)->facts() != kFacts) return table.AddSilent(where, "another owner");
  if (!(*folder)->store_path().ends_with("2"))
    return table.AddSilent(where, "another store: " + (*folder)->store_path());
  table.Add(file.region, column, "harmless");
}

void Replace(MemoryDisk& disk, const std::string& path, const std::string& content) {
  CHECK(disk.Remove(path).ok());
  auto file = disk.Open(path, storage::OpenMode::kCreateNew);
  CHECK(file.ok() && (*file)->WriteAt(0, content).ok());
}

void DamageFile(const Metadata& file, OutcomeTable& table) {
  const std::string path = kMember + file.name;
  MemoryDisk pristine;
  MakeFolder(pristine);
  const std::string content = pristine.Content(path);
  const auto with = [&](const char* column, const std::string& where, const std::function<void(MemoryDisk&)>& damage) {
    const std::unique_ptr<MemoryDisk> disk = pristine.AfterCrash([](const UnsyncedPiece&) { return true; });
    damage(*disk);
    Judge(*disk, file, column, path + " " + where, table);
  };
  for (int pattern = 0; pattern < kFlipPatterns; ++pattern) {
    for (uint64_t offset = 0; offset < content.size(); ++offset) {
      const char changed = Flip(content[offset], offset, pattern);
      if (changed == content[offset]) continue;
      with(kChanged, "at " + std::to_string(offset), [&](MemoryDisk& disk) {
        disk.Damage(path, offset, {&changed, 1});
      });
    }
  }
  with(kZeroed, "zeroed", [&](MemoryDisk& disk) { disk.Damage(path, 0, std::string(content.size(), '\0')); });
  for (size_t bytes = 0; bytes < content.size(); ++bytes) {
    with(kCut, "cut at " + std::to_string(bytes),
         [&](MemoryDisk& disk) { Replace(disk, path, content.substr(0, bytes)); });
  }
  with(kMissing, "missing", [&](MemoryDisk& disk) { CHECK(disk.Remove(path).ok()); });
}

std::string WithChecksum(const std::string& lines) {
  char checksum[32];
  std::snprintf(checksum, sizeof(checksum), "checksum %08x\n", storage::Crc32c(lines));
  return lines + checksum;
}

std::string LinesOf(const std::string& content) { return content.substr(0, content.rfind("checksum ")); }

// A format that this program does not know is named as such, however right its checksum is.
void ChangeFormat(OutcomeTable& table) {
  for (const std::string format : {"0", "2", "10", "", "one"}) {
    MemoryDisk disk;
    MakeFolder(disk);
    const std::string path = std::string(kMember) + "identity";
    std::string lines = LinesOf(disk.Content(path));
    lines.replace(lines.find("format 1"), 8, "format " + format);
    Replace(disk, path, WithChecksum(lines));
    const absl::Status status = OpenFolder(disk).status();
    if (absl::IsFailedPrecondition(status) && status.message().find("format version") != std::string::npos) {
      table.Add("identity: another format version, its checksum right", kChanged, "stops: says which version it knows");
    } else {
      table.AddSilent("format " + format, status.ToString());
    }
  }
}

// The comparison must see what no checksum can: a pointer and an owner that somebody forged.
bool FindsForgeries() {
  uint64_t found = 0;
  for (const std::string name : {"identity", "store-current"}) {
    MemoryDisk disk;
    MakeFolder(disk);
    const std::string path = kMember + name;
    std::string lines = LinesOf(disk.Content(path));
    const size_t digit = lines.find(name == "identity" ? "abcd" : "2\n");
    lines[digit] = '1';
    Replace(disk, path, WithChecksum(lines));
    OutcomeTable table("planted bug, a forged " + name, {kChanged});
    Judge(disk, {name, name}, kChanged, path, table);
    found += table.silent();
  }
  std::printf("planted bugs: %llu of 2 forged files found\n", static_cast<unsigned long long>(found));
  return found == 2;
}

}  // namespace

bool MetadataMatrix(const MatrixOptions& options) {
  OutcomeTable table("metadata", {kChanged, kZeroed, kCut, kMissing});
  for (const Metadata& file : {Metadata{"identity", "identity: whose folder, format version"},
                               Metadata{"store-current", "store-current: which store counts"}, Metadata{"lock", "lock"},
                               Metadata{"reserve", "reserve"}}) {
    DamageFile(file, table);
  }
  ChangeFormat(table);
  const bool right = table.Close(options.page, options.page_use);
  return FindsForgeries() && right && table.places() > 500;
}

}  // namespace regent::testing
