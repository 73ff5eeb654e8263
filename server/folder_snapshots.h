// Snapshots in a data folder: member/snap/, and the stores beside it (storage/data_folder.h).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/node/snapshot_storage.h"
#include "storage/data_folder.h"

namespace regent::server {

// Opens a store; the generation tells it from the ones that it replaces.
using OpenEngine =
    std::function<absl::StatusOr<std::shared_ptr<storage::Engine>>(const std::string& directory, uint64_t generation)>;

class FolderSnapshots final : public SnapshotStorage {
 public:
  // All outlive it.
  FolderSnapshots(storage::Files& files, storage::DataFolder& folder, OpenEngine open_engine)
      : files_(files), folder_(folder), open_engine_(std::move(open_engine)) {}

  // What an earlier run left half done is removed. A received snapshot stays: FinishInstall looks at it.
  absl::Status Clean();
  // After a start: the log begins behind `base`. When the store has not applied that much, a received snapshot must
  // take its place; the new engine is returned. Null: nothing is to be done.
  absl::StatusOr<std::shared_ptr<storage::Engine>> FinishInstall(raft::Index base, raft::Index applied);

  storage::Files& files() override { return files_; }
  std::string OutgoingFolder(uint64_t number) const override;
  std::string ReceivingFolder() const override { return folder_.snap_path() + "/receiving"; }
  absl::Status KeepReceived(const storage::SnapshotFacts& expected) override;
  absl::StatusOr<std::shared_ptr<storage::Engine>> SwitchToReceived() override;
  bool RemoveReplaced() override;

  // The engine that counts now, so that the next one knows when nobody reads it any more.
  void SetCurrent(const std::shared_ptr<storage::Engine>& engine) { current_ = engine; }

 private:
  absl::StatusOr<std::shared_ptr<storage::Engine>> SwitchToNext();
  std::string ReceivedFolder() const { return folder_.snap_path() + "/received"; }

  storage::Files& files_;
  storage::DataFolder& folder_;
  const OpenEngine open_engine_;
  std::weak_ptr<storage::Engine> current_;
  std::vector<std::weak_ptr<storage::Engine>> replaced_;  // perhaps still read
};

}  // namespace regent::server
