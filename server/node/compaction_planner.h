// When automatic compaction compacts, and where: etcd's rules, as a function of the time and of the revisions that it
// is shown. Every member looks, so that a new leader knows the past; only the leader is told to compact.
//
// Periodic, keeping the period P: a look every min(P, 1 h) / 10. Each look notes the current revision; the notes reach
// back P and one look more. The first compaction comes P after the start, the next ones min(P, 1 h) after the one
// before, at the oldest note. One that failed is tried again at the next look.
//
// By revisions, keeping N: a look every five minutes compacts at the current revision minus N, unless it did so the
// last time.
#pragma once

#include <deque>
#include <optional>

#include "api/contract/types.h"
#include "server/runtime/loop.h"

namespace regent::server {

// At most one of the two is set; neither: no automatic compaction.
struct CompactionPolicy {
  Duration period{0};
  int64_t revisions = 0;

  bool off() const { return period.count() == 0 && revisions == 0; }
};

class CompactionPlanner {
 public:
  // `now` and `current`: when the node starts.
  CompactionPlanner(CompactionPolicy policy, MonotonicTime now, api::Revision current);

  // How long to wait before the next look.
  Duration interval() const;

  // The revision to compact at now, if any.
  std::optional<api::Revision> Look(MonotonicTime now, api::Revision current, bool leads);

  // What Look asked for was done, or had been done before. Not called: it failed.
  void Compacted(MonotonicTime now, api::Revision at);

 private:
  std::optional<api::Revision> LookByTime(MonotonicTime now, api::Revision current, bool leads);

  const CompactionPolicy policy_;
  MonotonicTime last_success_;         // by time: or the start
  bool first_ = true;                  // by time: nothing was asked for yet
  std::deque<api::Revision> noted_;    // by time: at the start and at every look, oldest first
  std::optional<api::Revision> last_;  // by revisions: where the last compaction was
};

}  // namespace regent::server
