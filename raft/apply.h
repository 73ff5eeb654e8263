// What is handed out to the state machine: committed entries that are durable here, in order, once.
//
// Apply waits for the own disk because otherwise the state machine could become durable ahead of the log; after a crash
// that looks like a log that lost its end. Entries below the memory tail (after a restart, or behind a slow state
// machine) come from the log by LogFetch.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "raft/log.h"
#include "raft/output.h"
#include "raft/types.h"

namespace regent::raft {

class ApplyQueue {
 public:
  explicit ApplyQueue(Index applied) : applied_(applied), handed_(applied) {}

  Index applied() const { return applied_; }
  Index handed() const { return handed_; }  // the last index handed out

  // Hands out entries through `limit` while fewer than bytes_max are out.
  void TakeInto(Output& output, const Log& log, Index limit, Term term, uint64_t bytes_max);
  void Applied(Index through);
  // False: nobody waits for this answer any more, a snapshot came in between.
  bool Awaits(const LogFetch& fetch) const { return fetch_ == fetch; }
  void Fetched(const LogFetch& fetch, std::vector<Entry> entries);
  void Reset(Index applied);  // a snapshot was installed

 private:
  struct Batch {
    Index through;
    uint64_t bytes;
  };

  void HandOut(Output& output, std::vector<Entry> entries);

  Index applied_;
  Index handed_;
  std::deque<Batch> out_;
  uint64_t bytes_out_ = 0;
  std::optional<LogFetch> fetch_;  // asked for, not answered
  std::vector<Entry> fetched_;     // answered, not handed out; begins at handed_ + 1
};

}  // namespace regent::raft
