#include "server/folder_snapshots.h"

#include <string_view>
#include <utility>
#include <vector>

#include "api/contract/status_macros.h"
#include "glog/logging.h"
#include "server/runtime/json_log.h"

namespace regent::server {
namespace {

constexpr std::string_view kOutgoingPrefix = "outgoing-";

}  // namespace

std::string FolderSnapshots::OutgoingFolder(uint64_t number) const {
  return folder_.snap_path() + "/" + std::string(kOutgoingPrefix) + std::to_string(number);
}

absl::Status FolderSnapshots::Clean() {
  REGENT_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(folder_.snap_path()));
  for (const std::string& name : names) {
    const std::string path = folder_.snap_path() + "/" + name;
    if (!name.starts_with(kOutgoingPrefix) && path != ReceivingFolder()) continue;
    REGENT_RETURN_IF_ERROR(storage::RemoveFolder(files_, path));
  }
  return folder_.RemoveOldStores();
}

absl::StatusOr<std::shared_ptr<storage::Engine>> FolderSnapshots::FinishInstall(raft::Index base, raft::Index applied) {
  REGENT_ASSIGN_OR_RETURN(const bool received, files_.Exists(ReceivedFolder()));
  if (applied >= base) {  // what came was not wanted any more
    if (received) REGENT_RETURN_IF_ERROR(storage::RemoveFolder(files_, ReceivedFolder()));
    return nullptr;
  }
  LOG(INFO) << "the installation of a snapshot is completed" << Field("index", base.value);
  if (received) return SwitchToReceived();
  // The process ended between the renaming and the switch: nothing but a whole snapshot ever gets that name.
  REGENT_ASSIGN_OR_RETURN(const bool renamed, files_.Exists(folder_.next_store_path()));
  if (renamed) return SwitchToNext();
  return absl::DataLossError("the log begins behind a snapshot at entry " + std::to_string(base.value) +
                             ", and the snapshot is gone");
}

absl::Status FolderSnapshots::KeepReceived(const storage::SnapshotFacts& expected) {
  {
    REGENT_ASSIGN_OR_RETURN(const std::shared_ptr<storage::Engine> engine, open_engine_(ReceivingFolder(), 0));
    REGENT_ASSIGN_OR_RETURN(const storage::SnapshotFacts facts, storage::ReadSnapshotFacts(*engine));
    if (facts != expected) return absl::DataLossError("the snapshot is not the one that was offered");
  }
  REGENT_RETURN_IF_ERROR(storage::RemoveFolder(files_, ReceivedFolder()));
  REGENT_RETURN_IF_ERROR(files_.SyncFolder(ReceivingFolder()));
  REGENT_RETURN_IF_ERROR(files_.Rename(ReceivingFolder(), ReceivedFolder()));
  return files_.SyncFolder(folder_.snap_path());
}

absl::StatusOr<std::shared_ptr<storage::Engine>> FolderSnapshots::SwitchToReceived() {
  replaced_.push_back(current_);
  REGENT_RETURN_IF_ERROR(storage::RemoveFolder(files_, folder_.next_store_path()));
  REGENT_RETURN_IF_ERROR(files_.Rename(ReceivedFolder(), folder_.next_store_path()));
  return SwitchToNext();
}

absl::StatusOr<std::shared_ptr<storage::Engine>> FolderSnapshots::SwitchToNext() {
  REGENT_RETURN_IF_ERROR(files_.SyncFolder(folder_.snap_path()));
  REGENT_RETURN_IF_ERROR(folder_.SwitchStore());
  REGENT_ASSIGN_OR_RETURN(std::shared_ptr<storage::Engine> engine,
                          open_engine_(folder_.store_path(), folder_.store_generation()));
  current_ = engine;
  return engine;
}

bool FolderSnapshots::RemoveReplaced() {
  std::erase_if(replaced_, [](const std::weak_ptr<storage::Engine>& engine) { return engine.expired(); });
  if (!replaced_.empty()) return false;
  const absl::Status removed = folder_.RemoveOldStores();
  LOG_IF(WARNING, !removed.ok()) << "the store before the snapshot cannot be removed"
                                 << Field("error", std::string(removed.message()));
  return true;
}

}  // namespace regent::server
