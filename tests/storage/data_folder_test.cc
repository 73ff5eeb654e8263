#include "storage/data_folder.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "storage/crc32c.h"
#include "tests/support/memory_disk.h"

namespace regent::storage {
namespace {

using regent::testing::MemoryDisk;
using regent::testing::UnsyncedPiece;

constexpr char kDataDir[] = "/var/regent";
const NodeFacts kFacts{.identity = {.cluster_id = 0x1234, .node_id = 0xabcd}, .name = "infra 1", .incarnation = 0x77};

absl::StatusOr<std::unique_ptr<DataFolder>> OpenFolder(Files& files, std::string wal_dir = "") {
  return DataFolder::Open(files, {.data_dir = kDataDir, .wal_dir = std::move(wal_dir)});
}

void Create(Files& files, const std::string& path, const std::string& content = "x") {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    ASSERT_TRUE(files.CreateFolder(path.substr(0, slash)).ok());
  }
  auto file = files.Open(path, OpenMode::kCreateNew);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->WriteAt(0, content).ok());
}

// What a node does when it starts for the first time: the log and the store are stand-ins.
absl::Status StartNode(Files& files) {
  auto folder = OpenFolder(files);
  if (!folder.ok()) return folder.status();
  if (absl::Status claimed = (*folder)->Claim(kFacts); !claimed.ok()) return claimed;
  const std::string segment = (*folder)->wal_path() + "/0000000000000001.log";
  if (!*files.Exists(segment)) {
    if (auto file = files.Open(segment, OpenMode::kCreateNew); !file.ok()) return file.status();
    if (absl::Status synced = files.SyncFolder((*folder)->wal_path()); !synced.ok()) return synced;
  }
  if (absl::Status made = files.CreateFolder((*folder)->store_path()); !made.ok()) return made;
  return (*folder)->Complete();
}

void ExpectRefusal(const absl::Status& status, const std::string& words) {
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_NE(status.message().find(words), std::string::npos) << status;
}

TEST(DataFolder, ANewFolderIsClaimedCompletedAndFoundAgain) {
  MemoryDisk disk;
  {
    auto folder = OpenFolder(disk);
    ASSERT_TRUE(folder.ok()) << folder.status();
    EXPECT_FALSE((*folder)->facts().has_value());
    EXPECT_EQ((*folder)->wal_path(), "/var/regent/member/wal");
  }
  ASSERT_TRUE(StartNode(disk).ok());
  auto folder = OpenFolder(disk);
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_TRUE((*folder)->complete());
  EXPECT_EQ(*(*folder)->facts(), kFacts);
  EXPECT_EQ(
      disk.Content("/var/regent/member/identity").substr(0, 120),
      "regent data folder\nformat 1\ncluster 0000000000001234\nnode 000000000000abcd\nincarnation 0000000000000077\n"
      "name infra 1\ncom");
}

TEST(DataFolder, ASecondProcessIsRefused) {
  MemoryDisk disk;
  const auto first = OpenFolder(disk);
  ASSERT_TRUE(first.ok());
  ExpectRefusal(OpenFolder(disk).status(),
                "data directory /var/regent is in use: /var/regent/member/lock is held by another process");
}

TEST(DataFolder, AnEtcdFolderIsRefusedAndLeftAlone) {
  for (const std::string path :
       {"/var/regent/member/snap/db", "/var/regent/member/wal/0000000000000000-0000000000000000.wal"}) {
    MemoryDisk disk;
    Create(disk, path);
    const uint64_t calls = disk.calls();
    ExpectRefusal(OpenFolder(disk).status(), "holds the data of an etcd server");
    EXPECT_EQ(disk.calls(), calls);
  }
  MemoryDisk disk;
  Create(disk, "/logs/0000000000000000-0000000000000000.wal");
  ExpectRefusal(OpenFolder(disk, "/logs").status(), "holds the data of an etcd server");
}

TEST(DataFolder, AFolderOfSomethingElseIsRefusedByName) {
  MemoryDisk disk;
  Create(disk, "/var/regent/member/precious.txt");
  ExpectRefusal(OpenFolder(disk).status(), "holds files that are not Regent's (/var/regent/member/precious.txt)");
}

TEST(DataFolder, AnotherMembersFolderIsRefused) {
  MemoryDisk disk;
  ASSERT_TRUE(StartNode(disk).ok());
  auto folder = OpenFolder(disk);
  NodeFacts other = kFacts;
  other.identity.node_id = 0xabce;
  ExpectRefusal(
      (*folder)->Claim(other),
      "belongs to member 000000000000abcd (infra 1) of cluster 0000000000001234, not to member 000000000000abce");
  NodeFacts renamed = kFacts;
  renamed.name = "infra 2";
  EXPECT_TRUE((*folder)->Claim(renamed).ok());
}

TEST(DataFolder, AnUnknownFormatIsRefused) {
  MemoryDisk disk;
  const std::string lines = "regent data folder\nformat 2\ncluster 1\n";
  char checksum[16];
  std::snprintf(checksum, sizeof(checksum), "%08x\n", Crc32c(lines));
  Create(disk, "/var/regent/member/identity", lines + "checksum " + checksum);
  ExpectRefusal(OpenFolder(disk).status(), "has format version 2, this program knows version 1");
}

TEST(DataFolder, EveryFlippedByteOfIdentityAndPointerIsSeen) {
  MemoryDisk disk;
  ASSERT_TRUE(StartNode(disk).ok());
  for (const std::string path : {"/var/regent/member/identity", "/var/regent/member/store-current"}) {
    const std::string content = disk.Content(path);
    for (size_t offset = 0; offset < content.size(); ++offset) {
      const char flipped = static_cast<char>(content[offset] ^ (1 << (offset % 8)));
      disk.Damage(path, offset, {&flipped, 1});
      const absl::Status status = OpenFolder(disk).status();
      EXPECT_TRUE(absl::IsDataLoss(status)) << path << " at " << offset << ": " << status;
      disk.Damage(path, offset, {&content[offset], 1});
    }
  }
  EXPECT_TRUE(OpenFolder(disk).ok());
}

TEST(DataFolder, AMissingLogIdentityOrStoreIsNotANewNode) {
  {
    MemoryDisk disk;
    ASSERT_TRUE(StartNode(disk).ok());
    ExpectRefusal(OpenFolder(disk, "/elsewhere").status(), "its log is not in /elsewhere: start with the --wal-dir");
  }
  {
    MemoryDisk disk;
    ASSERT_TRUE(StartNode(disk).ok());
    ASSERT_TRUE(disk.Remove("/var/regent/member/identity").ok());
    ExpectRefusal(OpenFolder(disk).status(), "which says by whom, is missing");
  }
  {
    MemoryDisk disk;
    ASSERT_TRUE(StartNode(disk).ok());
    ASSERT_TRUE(disk.RemoveEmptyFolder("/var/regent/member/store-0000000000000001").ok());
    EXPECT_TRUE(absl::IsDataLoss(OpenFolder(disk).status()));
  }
}

TEST(DataFolder, TheLogMayLieElsewhere) {
  MemoryDisk disk;
  auto folder = OpenFolder(disk, "/fast/log/");
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_EQ((*folder)->wal_path(), "/fast/log");
  EXPECT_TRUE(*disk.Exists("/fast/log"));
  EXPECT_FALSE(*disk.Exists("/var/regent/member/wal"));
}

TEST(DataFolder, TheNextStoreCountsOnceSwitchedAndOldOnesGo) {
  MemoryDisk disk;
  ASSERT_TRUE(StartNode(disk).ok());
  {
    auto folder = OpenFolder(disk);
    ASSERT_TRUE(folder.ok());
    Create(disk, (*folder)->store_path() + "/000001.sst");
    Create(disk, (*folder)->next_store_path() + "/000001.sst");
    ASSERT_TRUE((*folder)->SwitchStore().ok());
    EXPECT_EQ((*folder)->store_path(), "/var/regent/member/store-0000000000000002");
    ASSERT_TRUE((*folder)->RemoveOldStores().ok());
  }
  auto folder = OpenFolder(disk);
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_EQ((*folder)->store_path(), "/var/regent/member/store-0000000000000002");
  EXPECT_FALSE(*disk.Exists("/var/regent/member/store-0000000000000001"));
}

TEST(DataFolder, ACrashAtAnyMomentLeavesAFolderThatStartsAgain) {
  MemoryDisk disk;
  uint64_t crashes = 0;
  std::mt19937_64 random(1);
  bool switching = false;
  disk.set_observer([&](uint64_t call) {
    for (int variant = 0; variant < 6; ++variant) {
      const std::unique_ptr<MemoryDisk> after = disk.AfterCrash([&](const UnsyncedPiece&) {
        return variant == 0 ? false : variant == 1 ? true : random() % 2 == 0;
      });
      ++crashes;
      const absl::Status started = StartNode(*after);
      ASSERT_TRUE(started.ok()) << "call " << call << ": " << started;
      auto folder = OpenFolder(*after);
      ASSERT_TRUE(folder.ok()) << "call " << call << ": " << folder.status();
      ASSERT_EQ(*(*folder)->facts(), kFacts);
      ASSERT_TRUE(switching || (*folder)->store_path().ends_with("1"));
    }
  });
  ASSERT_TRUE(StartNode(disk).ok());
  auto folder = OpenFolder(disk);
  ASSERT_TRUE(disk.CreateFolder((*folder)->next_store_path()).ok());
  switching = true;
  ASSERT_TRUE((*folder)->SwitchStore().ok());
  const std::unique_ptr<MemoryDisk> after = disk.AfterCrash([](const UnsyncedPiece&) { return false; });
  EXPECT_TRUE((*OpenFolder(*after))->store_path().ends_with("2"));
  EXPECT_GE(crashes, 100u);
}

TEST(DataFolder, TheFailureOfAnyCallIsReportedAndTheNextStartSucceeds) {
  for (uint64_t call = 1;; ++call) {
    MemoryDisk disk;
    disk.FailCalls(call, 1, regent::testing::DiskFault::kNoSpace);
    const absl::Status started = StartNode(disk);
    if (disk.faults_injected() == 0) break;
    EXPECT_FALSE(started.ok()) << call;
    const absl::Status again = StartNode(disk);
    EXPECT_TRUE(again.ok()) << call << ": " << again;
  }
}

}  // namespace
}  // namespace regent::storage
