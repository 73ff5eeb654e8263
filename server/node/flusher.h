// Bounds what a restart must replay: looks now and then how far the store is durable, releases the log below that
// point, and flushes the store when it has not flushed itself for a while. Under load the store flushes itself; then
// this only watches. With a limit on the entries that are applied and not flushed (--snapshot-count) it flushes
// earlier, at the next look. A flush of its own runs on the pool, beside apply. The log is released up to the flushed
// state as the engine reads it back, never up to what memory believes. On a disk without room for it the flush is left
// out: the log keeps what a restart will need.
//
// Owner: the apply loop.
#pragma once

#include "server/node/log_driver.h"
#include "server/node/node_options.h"

namespace regent::server {

class Flusher {
 public:
  Flusher(const NodeSeams& seams, const NodeOptions& options, LogDriver& log);

  void Start();
  // Everything applied is durable in the store when it returns; an error was reported as fatal.
  void FlushNow();
  void Stop() { stopped_ = true; }

 private:
  void Check();
  void CheckLater();
  bool Handle(const absl::StatusOr<raft::Index>& persisted);

  Loop& loop_;
  Loop& background_;
  storage::StateMachine& state_machine_;
  const NodeOptions& options_;
  LogDriver& log_;
  raft::Index persisted_;
  MonotonicTime persisted_since_;  // when `persisted_` was seen first, or nothing was left to flush
  bool waits_for_space_ = false;
  bool stopped_ = false;
};

}  // namespace regent::server
