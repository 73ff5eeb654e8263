// The power goes at every call of the installation of a snapshot. The next start finds either what was there before, or
// the snapshot and a log that begins behind it; never a store and a log of different times. tests/regress/table says
// which bugs RK16 and RK17 are.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "glog/logging.h"
#include "server/node_storage.h"
#include "storage/command.h"
#include "storage/memory_engine.h"
#include "tests/regress/planted_bug.h"
#include "tests/support/memory_disk.h"

namespace regent::server {
namespace {

constexpr uint64_t kLogged = 20, kSnapshot = 50;
constexpr char kData[] = "/data";

// Forgets the sync that makes the received snapshot's name durable, when that is the planted bug.
class Disk final : public testing::MemoryDisk {
 public:
  absl::Status SyncFolder(const std::string& folder) override {
    const bool forgotten = folder.ends_with("/snap") && regress::PlantedBug() == "received_unsynced";
    return forgotten ? absl::OkStatus() : MemoryDisk::SyncFolder(folder);
  }
};

raft::Entry EntryOf(uint64_t index) {
  const storage::Command put{.request = {.node = 1, .sequence = index},
                             .body = api::PutRequest{.key = "key" + std::to_string(index % 7), .value = "value"}};
  return {.index = {index}, .term = {1}, .type = raft::EntryType::kNormal, .data = storage::EncodeCommand(put)};
}

// A store whose rows are what a checkpoint in its folder says, or none.
absl::StatusOr<std::unique_ptr<NodeStorage>> Open(const std::shared_ptr<testing::MemoryDisk>& disk, Metrics& metrics) {
  Settings settings;
  settings.data_dir = kData;
  StorageParts parts{.files = disk,
                     .open_engine = [disk](const std::string& folder,
                                           uint64_t generation) -> absl::StatusOr<std::shared_ptr<storage::Engine>> {
                       auto rows = storage::MemoryEngine::LoadCheckpoint(*disk, folder);
                       if (!rows.ok() && !absl::IsNotFound(rows.status())) return rows.status();
                       if (!rows.ok()) {
                         if (absl::Status made = disk->CreateFolder(folder); !made.ok()) return made;
                         rows = std::make_shared<storage::MemoryDisk>();
                       }
                       return std::make_shared<storage::MemoryEngine>(*rows, generation, disk.get());
                     },
                     .state_machine = {},
                     .log = {.segment_bytes = 64 << 10, .prefill_bytes = 8 << 10},
                     .reserve = {.bytes = 4096, .for_start_bytes = 512}};
  return OpenNodeStorage(settings, std::move(parts), 1, metrics);
}

class SnapshotInstall : public ::testing::Test {
 protected:
  SnapshotInstall() { FLAGS_minloglevel = google::ERROR; }

  // A node with 20 entries in its log, on which the snapshot of entry 50 has arrived whole.
  void Prepare() {
    auto opened = Open(disk_, metrics_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    storage_ = *std::move(opened);
    std::vector<raft::Entry> entries;
    for (uint64_t index = storage_->log->last_index().value + 1; index <= kLogged; ++index) {
      entries.push_back(EntryOf(index));
    }
    ASSERT_TRUE(storage_->log->SaveHardState({.term = {1}}).ok());
    ASSERT_TRUE(storage_->log->Append(entries).ok());
    auto leader = storage::StateMachine::Open(
        std::make_shared<storage::MemoryEngine>(std::make_shared<storage::MemoryDisk>(), 1, disk_.get()), {});
    ASSERT_TRUE(leader.ok());
    const auto first = storage_->log->Read({1}, 1);
    ASSERT_TRUE(first.ok() && first->size() == 1) << "the entry that names the members";
    for (uint64_t index = 1; index <= kSnapshot; ++index) {
      const raft::Entry entry = index == 1 ? first->front() : EntryOf(index);
      (*leader)->Apply({&entry, 1}, [](std::string_view) { return false; });
    }
    digest_ = (*leader)->digest();
    const auto facts = (*leader)->Checkpoint(storage_->snapshots->ReceivingFolder());
    ASSERT_TRUE(facts.ok()) << facts.status();
    facts_ = *facts;
  }

  // As the node does it.
  void Install() {
    ASSERT_EQ(storage_->snapshots->KeepReceived(facts_), absl::OkStatus());
    const auto reset = [&] { ASSERT_EQ(storage_->log->Reset({kSnapshot}, {1}), absl::OkStatus()); };
    const auto change_stores = [&] { ASSERT_TRUE(storage_->snapshots->SwitchToReceived().ok()); };
    const bool swapped = regress::PlantedBug() == "switch_before_reset";
    if (swapped) change_stores();
    reset();
    if (!swapped) change_stores();
    storage_->snapshots->RemoveReplaced();
  }

  // Why what a start finds is wrong; empty: it is one of the two.
  std::string Check(std::shared_ptr<testing::MemoryDisk> disk) {
    for (int start = 1; start <= 2; ++start) {  // the first one may have something to complete
      Metrics metrics;
      const auto opened = Open(disk, metrics);
      if (!opened.ok()) return "the start fails: " + opened.status().ToString();
      const storage::StateMachine& store = *(*opened)->state_machine;
      const uint64_t base = (*opened)->log->base_index().value, last = (*opened)->log->last_index().value;
      const uint64_t applied = store.applied().value;
      const bool before = base == 0 && last == kLogged && applied == 0;
      const bool after = base == kSnapshot && applied == kSnapshot && store.digest() == digest_;
      if (!before && !after) {
        return "the log begins behind " + std::to_string(base) + " and ends at " + std::to_string(last) +
               ", the store is at " + std::to_string(applied) + ": of different times";
      }
      ++(before ? before_ : after_);
    }
    return "";
  }

  std::shared_ptr<Disk> disk_ = std::make_shared<Disk>();
  Metrics metrics_;
  std::unique_ptr<NodeStorage> storage_;
  storage::SnapshotFacts facts_;
  uint64_t digest_ = 0;
  int before_ = 0, after_ = 0;
};

TEST_F(SnapshotInstall, RK16_RK17_ACrashAtAnyCallLeavesAStoreAndALogOfOneTime) {
  Prepare();
  ASSERT_FALSE(HasFatalFailure());
  std::mt19937_64 random(1);
  std::vector<std::unique_ptr<testing::MemoryDisk>> crashed;
  disk_->set_observer([&](uint64_t) {
    crashed.push_back(disk_->AfterKill());
    crashed.push_back(disk_->AfterCrash([](const testing::UnsyncedPiece&) { return true; }));
    crashed.push_back(disk_->AfterCrash([](const testing::UnsyncedPiece&) { return false; }));
    for (int sample = 0; sample < 4; ++sample) {
      crashed.push_back(disk_->AfterCrash([&](const testing::UnsyncedPiece&) { return random() % 2 == 0; }));
    }
  });
  Install();
  disk_->set_observer(nullptr);
  storage_ = nullptr;
  ASSERT_GT(crashed.size(), 50u);
  for (auto& disk : crashed) EXPECT_EQ(Check(std::move(disk)), "");
  EXPECT_GT(before_, 10);
  EXPECT_GT(after_, 10);
}

}  // namespace
}  // namespace regent::server
