#include "tests/bench/compaction_load.h"

#include <algorithm>

#include "tests/bench/requests.h"

namespace regent::bench {

void CompactionLoad::StartIfDue(H2Connection& connection, Clock::time_point now) {
  if (every_ == nanoseconds(0) || running_ || failed_) return;
  if (next_ == Clock::time_point()) next_ = now + every_ / 2;
  if (now < next_) return;
  next_ += every_;
  running_ = true;
  connection.Call(kRangePath, EncodeRange({.key = "revision?", .count_only = true}),
                  [this, &connection](const Reply& reply) { Compact(connection, reply); });
}

void CompactionLoad::Compact(H2Connection& connection, const Reply& current) {
  start_ = Clock::now();
  if (current.grpc_status != 0) return OnCompacted(current);
  connection.Call(kCompactPath, EncodeCompaction(HeaderRevision(current.message), Physical::kYes),
                  [this](const Reply& reply) { OnCompacted(reply); });
}

void CompactionLoad::OnCompacted(const Reply& reply) {
  const Clock::time_point now = Clock::now();
  running_ = false;
  failed_ = failed_ || reply.grpc_status != 0;
  end_ = std::max(now, start_ + kWindowMin);
  durations_.Record(now - start_);
}

void CompactionLoad::Record(Clock::time_point due, nanoseconds latency) {
  const Clock::time_point answered = due + latency;
  const bool overlaps = start_ != Clock::time_point() && (running_ || due < end_) && answered >= start_;
  (overlaps ? inside_ : outside_).Record(latency);
}

void CompactionLoad::Report(JsonObject& to) const {
  to.Add("compactions_us", durations_);
  to.Add("inside_us", inside_);
  to.Add("outside_us", outside_);
}

}  // namespace regent::bench
