// The leader's side of snapshots: makes one for a member that is too far behind for the log, and hands it out piece by
// piece as that member asks. What is fetched any more, or not asked for in time, is removed.
//
// Owner: the raft loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "raft/output.h"
#include "server/node/node_options.h"
#include "server/node/snapshot_storage.h"

namespace regent::server {

class SnapshotSender {
 public:
  struct Events {
    // Core::SnapshotReported and a turn.
    std::function<void(raft::NodeId peer, raft::Term term, bool sent, raft::Index index)> report;
    // Whoever has a snapshot goes on with the log above it: without these entries the next snapshot would follow.
    std::function<void(std::optional<raft::Index> above)> hold_log;
  };

  // `first_number`: beyond all that an earlier life of this member has used.
  SnapshotSender(const NodeSeams& seams, const NodeOptions& options, uint64_t first_number, Events events);

  // `applied`: so far at least the snapshot will reach.
  void Want(const raft::SnapshotToSend& wanted, raft::Index applied);
  void OnFetch(raft::NodeId from, const SnapshotFetch& fetch);
  void OnEnd(raft::NodeId from, const SnapshotEnd& end);
  void Tick();
  void Stop();  // this member does not lead any more

  size_t running() const { return transfers_.size(); }

 private:
  struct Transfer {
    uint64_t number = 0;
    raft::Term term;
    raft::Index applied;  // before it was made
    storage::SnapshotFacts facts;
    std::vector<storage::SnapshotFile> files;  // empty: it is being made
    MonotonicTime deadline;
    bool reading = false;
    std::pair<uint64_t, uint64_t> reached;  // the furthest piece that was asked for: its file and offset
    std::optional<MonotonicTime> begun{};   // nullopt: there was no place for it
  };
  struct Made {
    storage::SnapshotFacts facts;
    std::vector<storage::SnapshotFile> files;
  };

  void OnMade(raft::NodeId peer, uint64_t number, absl::StatusOr<Made> made);
  Transfer* Find(raft::NodeId peer, uint64_t number);
  void Drop(raft::NodeId peer, bool sent);
  void UpdateHold();
  void Count(raft::NodeId peer, Duration took, bool sent);

  const NodeSeams& seams_;
  const NodeOptions& options_;
  const Events events_;
  uint64_t last_number_;
  std::map<raft::NodeId, Transfer> transfers_;
  std::map<raft::NodeId, Transfer> lately_;  // fetched; until their deadline the log above them is held
};

}  // namespace regent::server
