// What of a node lies on disk, opened: the data folder, the log, the store, the space kept in reserve.
//
// Owner: the composition root makes it before any loop runs and destroys it after the last one has ended.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/config/settings.h"
#include "server/folder_snapshots.h"
#include "server/runtime/metrics.h"
#include "storage/data_folder.h"
#include "storage/engine.h"
#include "storage/files.h"
#include "storage/log_store.h"
#include "storage/reserve_file.h"
#include "storage/state_machine.h"

namespace regent::server {

struct NodeStorage {
  std::shared_ptr<storage::Files> files;
  std::unique_ptr<storage::DataFolder> folder;
  std::unique_ptr<storage::ReserveFile> reserve;
  storage::RecoveredLog recovered;
  std::unique_ptr<storage::LogStore> log;
  std::unique_ptr<FolderSnapshots> snapshots;
  std::unique_ptr<storage::StateMachine> state_machine;
  std::vector<api::Member> joining;  // whom a member that joins was told of
  storage::NodeFacts facts;          // ids: of the folder when it has some, else as bootstrapped
};

// The disk under a node, and the sizes of what lies on it.
struct StorageParts {
  std::shared_ptr<storage::Files> files;
  OpenEngine open_engine;
  storage::StateMachineOptions state_machine;
  storage::LogOptions log;  // the seed, the clock and the callbacks are filled in
  // What stands between the node and its log; null: nothing.
  std::function<std::unique_ptr<storage::LogStore>(std::unique_ptr<storage::LogStore>)> wrap_log = nullptr;
  storage::ReserveFile::Sizes reserve{.bytes = 16 << 20, .for_start_bytes = 2 << 20};
};

// Production's: the system's files and RocksDB.
StorageParts MakeStorageParts(const Settings& settings, int64_t quota_bytes);

// Opens, or creates, everything in the settings' data folder. `seed` is chance for the log's new segments.
absl::StatusOr<std::unique_ptr<NodeStorage>> OpenNodeStorage(const Settings& settings, StorageParts parts,
                                                             uint64_t seed, Metrics& metrics);

// The quota that the settings mean: negative for none. Says so in the log.
int64_t QuotaBytes(const Settings& settings);

// The data folder that the settings mean.
std::string DataDirectory(const Settings& settings);

}  // namespace regent::server
