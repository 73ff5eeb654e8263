// Runs the log on its own loop: durable steps, one at a time, fetches, release, and in idle moments the mark and the
// preparation of the next segment.
//
// The first error of the disk fences the node: nothing is written or reported durable any more, and `on_fatal` is
// called, which ends the process. A sync is never repeated. A full disk is no such error: the write waits for space.
//
// While the reserve is given up nothing is prepared ahead, which would take that space; every second the loop looks
// whether the disk has room for the reserve again.
//
// Functions named on_... run on the raft loop. Everything else may be called from any thread and runs on the log loop.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "raft/output.h"
#include "server/node/node_options.h"
#include "server/runtime/loop.h"
#include "storage/log_store.h"

namespace regent::server {

class LogDriver {
 public:
  struct Events {
    std::function<void(raft::StepId)> on_persisted;
    std::function<void(raft::LogFetch, raft::FetchResult)> on_fetched;
    // On the log loop: the disk was full and the space kept in reserve was given up, or there was none to keep.
    std::function<void()> on_room_low;
  };

  LogDriver(const NodeSeams& seams, const NodeOptions& options, Events events);

  void Write(raft::StepId step, std::optional<raft::HardState> hard_state, std::vector<raft::Entry> entries);
  void Fetch(raft::LogFetch fetch);
  // The log begins anew behind a snapshot; `done` runs on the log loop when that is durable, never after an error.
  void Reset(std::optional<raft::HardState> hard_state, raft::Index base, raft::Term base_term, Loop::Task done);
  // What other members may still ask for is kept: the newest `entries_kept`, while the log is not too large.
  void Release(raft::Index through, uint64_t entries_kept);
  // Entries above this index are not released until it is said otherwise, while the log is not far too large.
  void Hold(std::optional<raft::Index> above) { held_above_.store(above.has_value() ? above->value : kNothingHeld); }
  // Writes the final mark; `done` runs on the log loop, after everything asked for before.
  void Close(Loop::Task done);

  // The space kept in reserve is in use.
  bool room_low() const { return room_low_.load(); }
  // The disk is full; the outstanding step waits.
  bool waits_for_space() const { return waits_for_space_.load(); }

 private:
  void WriteNow(raft::StepId step, std::optional<raft::HardState> hard_state, std::vector<raft::Entry> entries);
  void FetchNow(const raft::LogFetch& fetch);
  absl::Status ResetNow(const std::optional<raft::HardState>& hard_state, raft::Index base, raft::Term base_term);
  void StartIdleTimer();
  void OnIdle();
  void Prepare();
  void WatchRoom();
  void TakeRoomBackLater();
  // True when the log may be used.
  bool Check(const absl::Status& status);

  Loop& loop_;
  Loop& raft_loop_;
  storage::LogStore& log_;
  storage::ReserveFile* const reserve_;
  const NodeOptions& options_;
  const Events events_;
  static constexpr uint64_t kNothingHeld = UINT64_MAX;
  std::atomic<bool> waits_for_space_{false};
  std::atomic<uint64_t> held_above_{kNothingHeld};

  // Of the log loop.
  bool fenced_ = false;
  std::atomic<bool> room_low_{false};  // read by others, too
  bool idle_timer_ = false;
  bool prepare_wanted_ = true;
  uint64_t writes_ = 0;  // counts, so that idleness is seen
  uint64_t writes_at_timer_ = 0;
};

}  // namespace regent::server
