// Where a node's snapshots lie, and how one that was received becomes its store.
//
//   outgoing-<number>   made here for another member, while it fetches it
//   receiving           on its way in, not whole
//   received            whole and synced: a start that finds the log ahead of the store puts it in the store's place
//
// Threads: as each function says.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "storage/engine.h"
#include "storage/files.h"
#include "storage/snapshot.h"

namespace regent::server {

class SnapshotStorage {
 public:
  virtual ~SnapshotStorage() = default;

  // From any thread.
  virtual storage::Files& files() = 0;
  virtual std::string OutgoingFolder(uint64_t number) const = 0;
  virtual std::string ReceivingFolder() const = 0;

  // What is in ReceivingFolder() is whole: it gets its name, durably, after it was opened and found to be what
  // `expected` says. On the pool. DataLoss: it is not.
  virtual absl::Status KeepReceived(const storage::SnapshotFacts& expected) = 0;

  // The received snapshot becomes the store, durably. On the apply loop. Errors are fatal: the log has begun anew.
  virtual absl::StatusOr<std::shared_ptr<storage::Engine>> SwitchToReceived() = 0;
  // Gives the space of the store before back; false: somebody still reads it. On the apply loop.
  virtual bool RemoveReplaced() = 0;
};

}  // namespace regent::server
