// Any bytes as one of the small files of a data folder: identity, store-current, a copy of term and vote. Promises
// checked:
//   * opening ends with what the file says or with an error; it neither crashes nor takes the bytes for another owner;
//   * what is accepted is accepted again, and says the same.
//
// The first byte chooses the file, and whether the checksum is set right, which lets the mutants reach what lies behind
// it.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "storage/crc32c.h"
#include "storage/data_folder.h"
#include "storage/log_bytes.h"
#include "storage/log_store.h"
#include "tests/support/memory_disk.h"

namespace regent::storage {
namespace {

constexpr char kMember[] = "/data/member";
constexpr LogIdentity kIdentity{.cluster_id = 0x11, .node_id = 0x22};

void Require(bool holds) {
  if (!holds) std::abort();
}

void WriteNew(Files& files, const std::string& path, std::string_view content) {
  if (*files.Exists(path)) Require(files.Remove(path).ok());
  auto file = files.Open(path, OpenMode::kCreateNew);
  Require(file.ok() && (*file)->WriteAt(0, content).ok());
}

std::string WithLineChecksum(std::string_view lines) {
  char checksum[32];
  std::snprintf(checksum, sizeof(checksum), "checksum %08x\n", Crc32c(lines));
  return std::string(lines) + checksum;
}

absl::StatusOr<std::unique_ptr<DataFolder>> OpenFolder(Files& files) {
  return DataFolder::Open(files, {.data_dir = "/data", .wal_dir = ""});
}

void CheckFolderFile(const std::string& name, const std::string& content) {
  testing::MemoryDisk disk;
  {
    auto folder = OpenFolder(disk);
    Require(folder.ok() && (*folder)->Claim({.identity = kIdentity, .name = "a"}).ok());
    WriteNew(disk, (*folder)->wal_path() + "/0000000000000001.log", "");
    Require(disk.CreateFolder((*folder)->store_path()).ok() && (*folder)->Complete().ok());
  }
  WriteNew(disk, std::string(kMember) + "/" + name, content);
  std::optional<NodeFacts> facts;
  std::string store;
  for (int round = 0; round < 2; ++round) {
    const auto folder = OpenFolder(disk);
    if (!folder.ok()) return Require(round == 0 && !folder.status().message().empty());
    if (round == 0) facts = (*folder)->facts();
    if (round == 0) store = (*folder)->store_path();
    Require((*folder)->facts() == facts && (*folder)->store_path() == store);
  }
}

void CheckHardState(std::string content, bool checksum) {
  if (checksum && content.size() >= 64) {
    content.replace(0, 8, "RegntVot");
    PutU64(content.data() + 24, kIdentity.cluster_id);
    PutU64(content.data() + 32, kIdentity.node_id);
    const std::string_view view = content;
    PutU32(content.data() + 12, ExtendCrc32c(Crc32c(view.substr(0, 12)), view.substr(16, 48)));
  }
  testing::MemoryDisk disk;
  Require(disk.CreateFolder("/wal").ok());
  RecoveredLog recovered;
  const LogOptions options{.segment_bytes = 16 << 10, .prefill_bytes = 4 << 10};
  Require(LogStore::Open(disk, "/wal", kIdentity, options, &recovered).ok());
  WriteNew(disk, "/wal/term-and-vote-1", content);
  if (!LogStore::Open(disk, "/wal", kIdentity, options, &recovered).ok()) return;
  const raft::HardState state = recovered.hard_state;
  Require(LogStore::Open(disk, "/wal", kIdentity, options, &recovered).ok() && recovered.hard_state == state);
}

}  // namespace
}  // namespace regent::storage

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 4096) return 0;
  const std::string content(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool checksum = data[0] % 2 == 1;
  const std::string lines = checksum ? regent::storage::WithLineChecksum(content) : content;
  if (data[0] / 2 % 3 == 0) regent::storage::CheckFolderFile("identity", lines);
  if (data[0] / 2 % 3 == 1) regent::storage::CheckFolderFile("store-current", lines);
  if (data[0] / 2 % 3 == 2) regent::storage::CheckHardState(content, checksum);
  return 0;
}
