// Many watchers of few keys: how fast an update reaches all of them, and whether it reaches each exactly once, in
// order.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/connections.h"
#include "tests/bench/histogram.h"
#include "tests/bench/json.h"
#include "tests/bench/process_usage.h"

namespace regent::bench {

struct FanOutOptions {
  std::string endpoint;
  size_t watchers = 1;
  size_t connections = 1;  // of the watchers, one stream each; the puts have their own
  size_t prefixes = 1;     // watched in turn; 1: a single key
  bool previous_values = false;
  size_t value_bytes = 256;
  double rate = 0;  // puts per second; 0: the next when all have the one before
  double seconds = 10;
  double warmup_seconds = 1;
  uint64_t seed = 1;
  int server_pid = 0;
};

class FanOut {
 public:
  explicit FanOut(const FanOutOptions& options);

  // False: something was refused, lost, doubled or out of order.
  bool Run();
  void Report(JsonObject& to) const;

 private:
  struct Update {
    Clock::time_point due;
    size_t awaited = 0;  // watchers that do not have it yet
    bool answered = false;
  };

  void CreateWatchers();
  void PutDue();
  void Put(Clock::time_point due);
  void OnWatchMessage(size_t connection, std::string_view message);
  void OnEvent(size_t connection, int64_t watch_id, std::string_view event);
  void Fail(const std::string& what);
  size_t WatchersOf(size_t prefix) const;
  bool AllArrived() const { return arrived_ == expected_ && answered_ == updates_.size(); }
  nanoseconds WaitTime() const;
  void RunUntil(Clock::time_point end);

  const FanOutOptions options_;
  std::mt19937_64 random_;
  Connections connections_;                   // the last one is for puts
  std::vector<std::vector<int64_t>> newest_;  // by connection and watch id: the newest revision seen
  size_t created_ = 0;
  std::vector<Update> updates_;  // by number, which is in the value
  uint64_t expected_ = 0;        // deliveries
  uint64_t arrived_ = 0;
  size_t answered_ = 0;
  Clock::time_point next_due_, begin_ = Clock::time_point::max();

  Histogram latencies_;
  uint64_t errors_ = 0;
  std::string first_error_;
  uint64_t measured_updates_ = 0;
  uint64_t measured_deliveries_ = 0;
  double elapsed_seconds_ = 0;
  double own_cpu_seconds_ = 0;
  double server_cpu_seconds_ = 0;
};

}  // namespace regent::bench
