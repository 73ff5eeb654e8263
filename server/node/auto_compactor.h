// Automatic compaction: looks when the planner wants to, and proposes what it says, one compaction at a time.
//
// Owner: the raft loop.
#pragma once

#include <functional>
#include <optional>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "server/node/compaction_planner.h"
#include "server/node/node_options.h"

namespace regent::server {

class AutoCompactor {
 public:
  struct Events {
    std::function<bool()> leads;
    // Proposes a compaction; `done` runs on the raft loop, once.
    std::function<void(api::Revision at, absl::AnyInvocable<void(absl::Status)> done)> compact;
  };

  AutoCompactor(const NodeSeams& seams, const NodeOptions& options, Events events);

  void Start();
  void Stop() { stopped_ = true; }

 private:
  void LookLater();
  void Look();
  void Compact(api::Revision at);

  Loop& loop_;
  storage::StateMachine& state_machine_;  // its view alone
  const NodeOptions& options_;
  const Events events_;
  std::optional<CompactionPlanner> planner_;  // while running
  bool stopped_ = false;
};

}  // namespace regent::server
