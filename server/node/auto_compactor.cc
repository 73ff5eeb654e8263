#include "server/node/auto_compactor.h"

#include <string>
#include <utility>

#include "api/contract/errors.h"
#include "glog/logging.h"

namespace regent::server {

AutoCompactor::AutoCompactor(const NodeSeams& seams, const NodeOptions& options, Events events)
    : loop_(seams.raft_loop), state_machine_(seams.state_machine), options_(options), events_(std::move(events)) {}

void AutoCompactor::Start() {
  if (options_.compaction.off() || stopped_) return;
  planner_.emplace(options_.compaction, loop_.Now(), state_machine_.view()->revision());
  LookLater();
}

void AutoCompactor::LookLater() {
  loop_.PostAfter(planner_->interval(), [this] {
    if (!stopped_) Look();
  });
}

// The next look waits for the end of the compaction.
void AutoCompactor::Look() {
  const api::Revision current = state_machine_.view()->revision();
  const std::optional<api::Revision> at = planner_->Look(loop_.Now(), current, events_.leads());
  if (at.has_value()) return Compact(*at);
  LookLater();
}

void AutoCompactor::Compact(api::Revision at) {
  LOG(INFO) << "starting automatic compaction at revision " << at.value;
  events_.compact(at, [this, at](const absl::Status& status) {
    if (status.ok() || status == api::ErrCompacted()) {
      planner_->Compacted(loop_.Now(), at);
      LOG(INFO) << "completed automatic compaction at revision " << at.value;
    } else {
      LOG(WARNING) << "failed automatic compaction at revision " << at.value << ": " << status.message();
    }
    if (!stopped_) LookLater();
  });
}

}  // namespace regent::server
