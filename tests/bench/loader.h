// Drives one workload against one server and measures it.
//
// Closed loop (the default): each client sends its next request when the last one is answered.
// Open loop (a rate): requests are due at fixed times, whatever the server does; a latency counts from the time at
// which the request was due, so a stall shows in full (no coordinated omission). `clients` bounds what is outstanding;
// what this bound kept back at the end counts, as failed and unanswered requests do, with the longest latency.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/compaction_load.h"
#include "tests/bench/connections.h"
#include "tests/bench/histogram.h"
#include "tests/bench/json.h"
#include "tests/bench/process_usage.h"
#include "tests/bench/workload.h"

namespace regent::bench {

struct LoaderOptions {
  std::string endpoint = "127.0.0.1:2379";
  size_t connections = 1;
  double seconds = 10;
  double warmup_seconds = 1;
  double rate = 0;           // of the open loop, per second; 0: closed loop
  uint64_t operations = 0;   // ends the run, too; 0: no limit
  double compact_every = 0;  // seconds; 0: never
  std::string server_pids;   // with commas; their processor time and memory are reported; "": unknown
};

class Loader {
 public:
  Loader(const LoaderOptions& options, Workload& workload);

  void Run();
  void Report(JsonObject& to) const;
  bool failed() const { return measured_.total() == 0 || errors_ > 0; }

 private:
  bool open_loop() const { return options_.rate > 0; }
  bool MaySend() const { return !over_ && (options_.operations == 0 || sent_ < options_.operations); }

  void BeginMeasuring();
  void EndMeasuring();
  void SendDue();
  void Send(size_t client, Clock::time_point due);
  void OnReply(size_t client, Clock::time_point due, const Reply& reply);
  void CountError(const std::string& text, uint64_t times);
  void MarkProgress();
  nanoseconds WaitTime() const;

  const LoaderOptions& options_;
  Workload& workload_;
  Connections connections_;
  CompactionLoad compaction_;
  std::vector<size_t> idle_;  // clients without a request
  std::vector<bool> wrong_;   // by client: a part of the answer that is under way was wrong
  size_t outstanding_ = 0;
  uint64_t sent_ = 0;
  bool over_ = false;
  bool measuring_ = false;
  Clock::time_point begin_, end_, next_due_;

  Histogram measured_;
  uint64_t errors_ = 0;
  uint64_t kept_back_ = 0;  // requests of the open loop that were due and not sent
  std::map<std::string, uint64_t> error_texts_;
  std::vector<Clock::time_point> progress_;  // of a workload with an end: when each twentieth of it was done
  double own_cpu_seconds_ = 0;
  double elapsed_seconds_ = 0;
  ProcessUsage server_before_, server_after_;
};

}  // namespace regent::bench
