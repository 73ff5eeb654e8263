// Compacts everything but the newest revision every few seconds, beside another load, and keeps the latencies of that
// load apart: those of requests that overlap a compaction, and the others.
#pragma once

#include "tests/bench/connections.h"
#include "tests/bench/histogram.h"
#include "tests/bench/json.h"

namespace regent::bench {

class CompactionLoad {
 public:
  // Zero seconds: never.
  explicit CompactionLoad(double every_seconds) : every_(Seconds(every_seconds)) {}

  // The first one is due half a period after the first call, so that both windows are there in any run of a period.
  void StartIfDue(H2Connection& connection, Clock::time_point now);

  void Record(Clock::time_point due, nanoseconds latency);
  void Report(JsonObject& to) const;

  bool running() const { return running_; }
  bool failed() const { return failed_; }

 private:
  // A compaction's window is at least this long: a very short one would hold too few requests for a percentile.
  static constexpr nanoseconds kWindowMin = std::chrono::seconds(1);

  void Compact(H2Connection& connection, const Reply& current);
  void OnCompacted(const Reply& reply);

  const nanoseconds every_;
  bool running_ = false;
  bool failed_ = false;
  Clock::time_point next_;         // zero: not known yet
  Clock::time_point start_, end_;  // of the newest compaction's window
  Histogram durations_, inside_, outside_;
};

}  // namespace regent::bench
