// What a node counts where it is asked: reads, refusals, alarms.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/node/node.h"

namespace regent::server {

absl::StatusOr<api::RangeResult> Node::RangeCounted(const api::RangeRequest& request, MonotonicTime begun) {
  const MonotonicTime read = seams_.raft_loop.Now();
  absl::StatusOr<api::RangeResult> result = RangeNow(request);
  const MonotonicTime end = seams_.raft_loop.Now();
  seams_.metrics.mvcc_range_total.Increment();
  request_metrics_.range.Observe(kRangeKind, result.ok(), end - read);
  request_metrics_.request.Observe(kRangeKind, result.ok(), end - begun);
  slow_requests_.OnRange(request, result, end - begun);
  return result;
}

// As etcd counts: a compared key is a range, and what does more than one thing is a transaction.
absl::StatusOr<api::TxnResult> Node::ReadTxnCounted(const api::TxnRequest& request, MonotonicTime begun) {
  absl::StatusOr<api::TxnResult> result = ReadTxnNow(request);
  const size_t ranges = request.compare.size() + (result.ok() ? result->responses.size() : 0);
  seams_.metrics.mvcc_range_total.Increment(ranges);
  if (ranges > 1) seams_.metrics.mvcc_txn_total.Increment();
  const Duration took = seams_.raft_loop.Now() - begun;
  request_metrics_.request.Observe(kReadTxnKind, result.ok(), took);
  slow_requests_.OnReadTxn(request, result, took);
  return result;
}

void Node::OnAlarms() {
  const std::vector<api::AlarmMember> alarms = seams_.state_machine.Alarms();
  const auto on = [&alarms](const api::AlarmMember& alarm) {
    return std::find(alarms.begin(), alarms.end(), alarm) != alarms.end();
  };
  no_space_.store(on({options_.member_id, api::AlarmType::kNoSpace}));
  alarms_shown_.insert(alarms.begin(), alarms.end());
  for (const api::AlarmMember& alarm : alarms_shown_) {
    const std::string member = absl::StrCat(absl::Hex(alarm.member_id));
    const char* const type = alarm.alarm == api::AlarmType::kCorrupt ? "CORRUPT" : "NOSPACE";
    seams_.metrics.debugging_server_alarms.With({type, member}).Set(on(alarm) ? 1 : 0);
  }
}

}  // namespace regent::server
