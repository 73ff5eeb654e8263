// Removes, behind a compaction, what nobody can read any more: in slices that are planned on the pool and written on
// the apply loop, with pauses as long as they took, so that a compaction never stands in the way of writes.
// Whoever asked for a physical compaction is answered when everything it made unreadable is gone here.
//
// Owner: the apply loop.
#pragma once

#include <optional>
#include <vector>

#include "server/node/node_options.h"
#include "storage/state_machine.h"

namespace regent::server {

class Purger {
 public:
  Purger(const NodeSeams& seams, const NodeOptions& options);

  // There is, or may be, something to purge.
  void Kick();

  // Answers with `result` when everything that the compaction at `revision` made unreadable is gone.
  void AnswerWhenPurged(api::Revision revision, api::WriteResult result, api::Done<api::WriteResult> done);

  // Ends the purge; whoever waits gets `status`: the compaction itself happened.
  void Stop(const absl::Status& status);

 private:
  struct Waiter {
    api::Revision revision;
    api::WriteResult result;
    api::Done<api::WriteResult> done;
  };

  void Plan();
  // `compacted`: the compacted revision before the plan was made.
  void Run(const std::optional<storage::PurgePlan>& plan, api::Revision compacted);
  void AnswerThrough(api::Revision purged);

  Loop& loop_;
  Loop& background_;
  storage::StateMachine& state_machine_;
  const NodeOptions& options_;
  Metrics& metrics_;
  bool running_ = false;
  std::optional<MonotonicTime> begun_;  // the first slice since everything was purged
  bool again_ = false;                  // kicked while running
  bool stopped_ = false;
  std::vector<Waiter> waiters_;
};

}  // namespace regent::server
