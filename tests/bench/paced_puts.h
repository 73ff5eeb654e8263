// Puts at a fixed rate beside another load, and how long each took from when it was due.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "tests/bench/connections.h"
#include "tests/bench/histogram.h"

namespace regent::bench {

class PacedPuts {
 public:
  PacedPuts(double rate, uint64_t seed) : interval_(Seconds(1 / rate)), random_(seed) {}

  void Start(Clock::time_point now) { next_due_ = now; }
  void SendDue(H2Connection& connection, Clock::time_point now);

  // Those sent from now on count.
  void Measure(Clock::time_point now) { measure_from_ = now; }

  Clock::time_point next_due() const { return next_due_; }
  uint64_t outstanding() const { return outstanding_; }
  uint64_t failed() const { return failed_; }
  const Histogram& latencies() const { return latencies_; }

 private:
  const nanoseconds interval_;
  std::mt19937_64 random_;
  Clock::time_point next_due_ = Clock::time_point::max();
  Clock::time_point measure_from_ = Clock::time_point::max();
  uint64_t outstanding_ = 0;
  uint64_t failed_ = 0;
  Histogram latencies_;
};

}  // namespace regent::bench
