// The data directory of a node: its layout, whose it is, and that one process at a time uses it.
//
//   <data-dir>/member/lock               held while the process lives
//   <data-dir>/member/identity           whose folder this is (the grammar is below)
//   <data-dir>/member/wal/               the log, unless --wal-dir names another place
//   <data-dir>/member/snap/              snapshots being received
//   <data-dir>/member/store-<number>/    the store; the number is its generation
//   <data-dir>/member/store-current      which generation counts
//   <data-dir>/member/reserve            space held for the day when the disk is full
//
//   identity      := "regent data folder\n" "format 1\n" fact* "checksum " 8 hex digits of CRC-32C of all before "\n"
//   fact          := name " " value "\n"        cluster, node and incarnation (16 hex digits), name (no line break),
//                                               complete (0, 1)
//
//   store-current := "store-" 16 hex digits "\n" "checksum " 8 hex digits "\n"
//
// Both files are replaced as a whole: written beside under a temporary name, synced, renamed, the folder synced.
//
// Start of a new node: Open finds no identity; Claim writes it, incomplete; the owner creates log and store; Complete.
// A crash in between leaves an incomplete folder, which the next start claims again, ids of its own included. Once
// complete, a missing log or store is an error: silently beginning anew would forget votes and acknowledged writes.
//
// Owner: whoever starts the node, then the apply loop (SwitchStore).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/files.h"
#include "storage/log_store.h"

namespace regent::storage {

// What a restart must know before it reads anything else.
struct NodeFacts {
  LogIdentity identity;
  std::string name;  // of the member
  // Random, of this folder alone: a folder that was lost and made anew has another one, whatever its ids are.
  // 0: a folder from before there was such a number.
  uint64_t incarnation = 0;
  bool operator==(const NodeFacts&) const = default;
};

struct DataFolderOptions {
  std::string data_dir;
  std::string wal_dir;  // empty: <data-dir>/member/wal
};

class DataFolder {
 public:
  // Creates the layout where it is missing, takes the lock, reads whose folder it is. FailedPrecondition, in a sentence
  // for the operator, when another process has it, when it is etcd's or somebody else's, when its format is unknown,
  // and when a part of it is missing. DataLoss when the identity or the pointer is damaged.
  static absl::StatusOr<std::unique_ptr<DataFolder>> Open(Files& files, DataFolderOptions options);

  // The folder of a node that is not running, or a copy of one, for those who only look: nothing is created. Give it
  // Files that change nothing. Damage of the small files is told, and the rest can be looked at.
  static absl::StatusOr<std::unique_ptr<DataFolder>> OpenToLook(Files& files, DataFolderOptions options,
                                                                std::vector<std::string>* damage);

  // What Complete made permanent, or what an unfinished start claimed; nullopt for a new folder.
  const std::optional<NodeFacts>& facts() const { return facts_; }
  bool complete() const { return complete_; }
  // Whether Open found which store counts.
  bool has_store() const { return store_known_; }

  // The folder is, or becomes, that of this node. FailedPrecondition when it is another's.
  [[nodiscard]] absl::Status Claim(const NodeFacts& facts);
  // Log and store exist.
  [[nodiscard]] absl::Status Complete();

  const std::string& wal_path() const { return wal_path_; }
  std::string snap_path() const { return member_ + "/snap"; }
  std::string reserve_path() const { return member_ + "/reserve"; }
  std::string store_path() const { return StorePath(store_generation_); }
  std::string next_store_path() const { return StorePath(store_generation_ + 1); }
  uint64_t store_generation() const { return store_generation_; }

  // The next store, complete and synced by the caller, counts from now on; durable when it returns.
  [[nodiscard]] absl::Status SwitchStore();
  // Removes every store but the current one; nobody reads them any more.
  [[nodiscard]] absl::Status RemoveOldStores();

 private:
  DataFolder(Files& files, DataFolderOptions options);

  absl::Status PrepareFolders();
  absl::Status TakeLocks(const std::string& advice);
  absl::Status RefuseForeign(const std::string& member);
  absl::Status ReadIdentity();
  absl::Status ReadStorePointer();
  absl::Status CheckParts();
  absl::Status WriteIdentity();
  absl::Status Replace(const std::string& name, const std::string& lines);
  absl::StatusOr<std::optional<std::string>> ReadChecked(const std::string& name);
  std::string StorePath(uint64_t generation) const;

  Files& files_;
  const DataFolderOptions options_;
  const std::string member_;  // <data-dir>/member
  const std::string wal_path_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<FileLock> wal_lock_;  // when the log is elsewhere
  std::optional<NodeFacts> facts_;
  bool complete_ = false;
  bool store_known_ = false;
  uint64_t store_generation_ = 1;
};

}  // namespace regent::storage
