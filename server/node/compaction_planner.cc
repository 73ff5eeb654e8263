#include "server/node/compaction_planner.h"

#include <algorithm>

namespace regent::server {
namespace {

constexpr Duration kHour = std::chrono::hours(1);
constexpr Duration kRevisionInterval = std::chrono::minutes(5);
constexpr int kLooksPerInterval = 10;

}  // namespace

CompactionPlanner::CompactionPlanner(CompactionPolicy policy, MonotonicTime now, api::Revision current)
    : policy_(policy), last_success_(now), noted_{current} {}

Duration CompactionPlanner::interval() const {
  if (policy_.period.count() == 0) return kRevisionInterval;
  return std::max<Duration>(std::min(policy_.period, kHour) / kLooksPerInterval, Duration(1));
}

std::optional<api::Revision> CompactionPlanner::Look(MonotonicTime now, api::Revision current, bool leads) {
  if (policy_.period.count() != 0) return LookByTime(now, current, leads);
  const api::Revision at{current.value - policy_.revisions};
  if (!leads || at.value <= 0 || at == last_) return std::nullopt;
  return at;
}

std::optional<api::Revision> CompactionPlanner::LookByTime(MonotonicTime now, api::Revision current, bool leads) {
  std::optional<api::Revision> at;
  const Duration wait = first_ ? policy_.period : std::min(policy_.period, kHour);
  if (leads && now - last_success_ >= wait) {
    at = noted_.front();
    first_ = false;
  }
  noted_.push_back(current);
  if (noted_.size() > static_cast<size_t>(policy_.period / interval()) + 1) noted_.pop_front();
  return at;
}

void CompactionPlanner::Compacted(MonotonicTime now, api::Revision at) {
  last_success_ = now;
  last_ = at;
}

}  // namespace regent::server
