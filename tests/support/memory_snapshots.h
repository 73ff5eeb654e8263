// Snapshots of nodes on disks in memory: what FolderSnapshots does in a data folder.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "api/contract/status_macros.h"
#include "server/node/snapshot_storage.h"
#include "storage/memory_engine.h"
#include "storage/snapshot.h"

namespace regent::testing {

class MemorySnapshots final : public server::SnapshotStorage {
 public:
  static constexpr char kFolder[] = "/snap";

  // The folder must be there. `store` is what the next start opens.
  MemorySnapshots(storage::Files& files, std::shared_ptr<storage::MemoryDisk>& store, uint64_t generation)
      : files_(files), store_(store), generation_(generation) {}

  storage::Files& files() override { return files_; }
  std::string OutgoingFolder(uint64_t number) const override {
    return std::string(kFolder) + "/outgoing-" + std::to_string(number);
  }
  std::string ReceivingFolder() const override { return std::string(kFolder) + "/receiving"; }

  absl::Status KeepReceived(const storage::SnapshotFacts& expected) override {
    REGENT_ASSIGN_OR_RETURN(const auto disk, storage::MemoryEngine::LoadCheckpoint(files_, ReceivingFolder()));
    REGENT_ASSIGN_OR_RETURN(const auto facts, storage::ReadSnapshotFacts(storage::MemoryEngine(disk)));
    if (facts != expected) return absl::DataLossError("another snapshot than was offered");
    REGENT_RETURN_IF_ERROR(storage::RemoveFolder(files_, ReceivedFolder()));
    REGENT_RETURN_IF_ERROR(files_.Rename(ReceivingFolder(), ReceivedFolder()));
    return files_.SyncFolder(kFolder);
  }

  absl::StatusOr<std::shared_ptr<storage::Engine>> SwitchToReceived() override {
    REGENT_ASSIGN_OR_RETURN(store_, storage::MemoryEngine::LoadCheckpoint(files_, ReceivedFolder()));
    ++installed_;
    engine_ = std::make_shared<storage::MemoryEngine>(store_, generation_ + static_cast<uint64_t>(installed_), &files_);
    return engine_;
  }
  bool RemoveReplaced() override { return true; }

  int installed() const { return installed_; }
  // Of the snapshot that was installed last; null: none was.
  const std::shared_ptr<storage::MemoryEngine>& engine() const { return engine_; }

 private:
  static std::string ReceivedFolder() { return std::string(kFolder) + "/received"; }

  storage::Files& files_;
  std::shared_ptr<storage::MemoryDisk>& store_;
  const uint64_t generation_;
  int installed_ = 0;
  std::shared_ptr<storage::MemoryEngine> engine_;
};

}  // namespace regent::testing
