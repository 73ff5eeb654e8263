// Many leases that end together, each with a key: how long after its end the last one is gone, and what puts beside it
// feel.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/connections.h"
#include "tests/bench/json.h"
#include "tests/bench/paced_puts.h"

namespace regent::bench {

struct LeaseOptions {
  std::string endpoint;
  size_t leases = 1000;
  size_t connections = 16;
  double put_rate = 1000;
  double lead_seconds = 30;     // expiry: from the first grant to the common end
  double renewal_rate = 50000;  // renewals: per second
  double seconds = 10;          // renewals: measured
  double warmup_seconds = 1;
  uint64_t seed = 1;
  int server_pid = 0;
};

class LeaseExpiry {
 public:
  explicit LeaseExpiry(const LeaseOptions& options);

  // False: a request failed, a lease ended early or not at all, or the leases were not ready in time.
  bool Run();
  void Report(JsonObject& to) const;

 private:
  struct Lease {
    Clock::time_point ends;  // no earlier than this, as far as the client can know
    bool gone = false;
  };

  void Watch();
  void GrantNext(size_t client);
  void AttachKey(size_t client, size_t number, int64_t lease);
  void OnWatchMessage(std::string_view message);
  void OnGone(std::string_view key);
  void WaitFor(Clock::time_point end, const size_t& counter);
  void Fail(const std::string& what);

  const LeaseOptions options_;
  std::mt19937_64 random_;
  Connections connections_;  // one for the watcher and the puts, the others for the leases
  PacedPuts puts_;
  std::vector<Lease> leases_;
  size_t next_lease_ = 0;
  size_t attached_ = 0;
  size_t gone_ = 0;
  Clock::time_point end_of_all_;
  double lateness_max_seconds_ = 0;
  double grants_per_second_ = 0;
  double server_cpu_seconds_ = 0;
  uint64_t errors_ = 0;
  std::string first_error_;
};

}  // namespace regent::bench
