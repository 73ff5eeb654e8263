// The other side: fetches the snapshot that the leader offers, piece by piece, at a bounded rate, and asks again for
// what was lost. When it is whole, opened and found right it is handed to the core, which decides whether it is still
// wanted.
//
// Owner: the raft loop; the disk is written on the pool, one piece at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "raft/message.h"
#include "server/node/node_options.h"
#include "server/node/snapshot_storage.h"

namespace regent::server {

class SnapshotReceiver {
 public:
  struct Events {
    // Is a snapshot up to here worth its while?
    std::function<bool(raft::Index index)> wanted;
    // Core::Step with the message of a snapshot that has arrived. The core then asks for it to be installed, or not.
    std::function<void(raft::Message)> arrived;
  };

  SnapshotReceiver(const NodeSeams& seams, const NodeOptions& options, Events events);

  void OnOffer(raft::NodeId from, SnapshotOffer offer);
  void OnPiece(raft::NodeId from, SnapshotPiece piece);
  // What became of the snapshot that arrived.
  void OnInstalled(bool installed);
  void Tick();

  uint64_t bytes_received() const { return bytes_received_; }

 private:
  struct Reception {
    raft::NodeId from;
    SnapshotOffer offer;
    std::shared_ptr<storage::SnapshotWriter> writer;  // null: not begun
    bool writing = false;                             // a job of the pool has it
    bool arrived = false;
    MonotonicTime begun;
    MonotonicTime asked;
    MonotonicTime progress;
  };

  void Begin();
  void Ask();
  void AskAfter(Duration rest);
  void OnWritten(uint64_t number, const absl::Status& status, size_t bytes);
  void Complete();
  void GiveUp(const absl::Status& why);
  void End(bool installed);
  bool Runs(uint64_t number) const { return reception_.has_value() && reception_->offer.number == number; }

  const NodeSeams& seams_;
  const NodeOptions& options_;
  const Events events_;
  std::optional<Reception> reception_;
  uint64_t bytes_received_ = 0;
};

}  // namespace regent::server
