// Renewals of leases at a fixed rate over many streams, and what puts beside them feel.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/connections.h"
#include "tests/bench/histogram.h"
#include "tests/bench/json.h"
#include "tests/bench/lease_expiry.h"
#include "tests/bench/paced_puts.h"

namespace regent::bench {

class LeaseRenewals {
 public:
  explicit LeaseRenewals(const LeaseOptions& options);

  // False: a request failed or was answered wrongly.
  bool Run();
  void Report(JsonObject& to) const;

 private:
  // Answers come in the order of the requests.
  struct Renewing {
    H2Connection::Stream* stream = nullptr;
    std::deque<Clock::time_point> due;
  };

  void GrantNext();
  void OpenStreams();
  void RunUntil(Clock::time_point end);
  void RenewDue();
  void OnAnswer(size_t stream, std::string_view message);
  void Fail(const std::string& what);

  const LeaseOptions options_;
  Connections connections_;  // one for the puts, the others with a stream each
  PacedPuts puts_;
  std::vector<int64_t> leases_;
  size_t granting_ = 0;
  std::vector<Renewing> streams_;
  uint64_t sent_ = 0;
  uint64_t answered_ = 0;
  Clock::time_point next_due_, begin_ = Clock::time_point::max();
  Histogram latencies_;
  uint64_t measured_ = 0;
  double elapsed_seconds_ = 0;
  double own_cpu_seconds_ = 0;
  double server_cpu_seconds_ = 0;
  uint64_t errors_ = 0;
  std::string first_error_;
};

}  // namespace regent::bench
