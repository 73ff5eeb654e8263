// What the tests of the log share: a model of what a log must hold, random operations on both, and the comparison.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "raft/types.h"
#include "storage/log_store.h"
#include "tests/support/memory_disk.h"

namespace regent::testing {

inline constexpr storage::LogIdentity kTestIdentity{.cluster_id = 0x11, .node_id = 0x22};
inline constexpr char kTestFolder[] = "/wal";

// Segments so small that a short workload rolls, recycles and outgrows them.
storage::LogOptions SmallLogOptions(storage::LogMutant mutant = storage::LogMutant::kNone);

// What the log must hold.
struct LogModel {
  raft::HardState hard_state;
  uint64_t base_index = 0;  // of the last Reset
  uint64_t base_term = 0;
  uint64_t released_through = 0;     // the log may serve what is at or below it, or not
  std::vector<raft::Entry> entries;  // of base_index + 1, …

  uint64_t last_index() const { return base_index + entries.size(); }
  uint64_t TermAt(uint64_t index) const;
};

// Empty when the log holds what the model says, else the difference.
std::string DifferenceTo(const LogModel& model, const storage::RecoveredLog& recovered, storage::LogStore& log);

// Random operations; `weights` of zero leave an operation out.
struct LogWorkload {
  uint32_t append = 60;
  uint32_t conflict = 8;
  uint32_t hard_state = 8;
  uint32_t release = 8;
  uint32_t reset = 2;
  uint32_t mark = 8;
  uint32_t prepare = 6;
  size_t payload_bytes_max = 900;
  size_t large_payload_bytes = 20'000;  // now and then: more than a segment
};

class LogDriver {
 public:
  LogDriver(uint64_t seed, LogWorkload workload) : random_(seed), workload_(workload) {}

  // Does one operation on the log. Before it begins, `in_flight()` is what holds if it completes; when it returned OK
  // `acknowledged()` is that, too.
  absl::Status Step(storage::LogStore& log);
  // The last operation again.
  absl::Status Repeat(storage::LogStore& log);

  const LogModel& acknowledged() const { return acknowledged_; }
  const LogModel& in_flight() const { return in_flight_; }
  // After a restart: which of the two was found.
  void Continue(const LogModel& model) { acknowledged_ = in_flight_ = model; }
  uint64_t Random(uint64_t below) { return std::uniform_int_distribution<uint64_t>(0, below - 1)(random_); }

 private:
  using Operation = std::function<absl::Status(storage::LogStore&)>;

  Operation Choose();
  Operation AppendFrom(uint64_t first);
  Operation SaveHardState();
  Operation Release();
  Operation Reset();

  std::mt19937_64 random_;
  const LogWorkload workload_;
  LogModel acknowledged_;
  LogModel in_flight_;
  Operation last_;
};

struct OpenedLog {
  absl::Status status;
  std::unique_ptr<storage::LogStore> log;
  storage::RecoveredLog recovered;
};

OpenedLog OpenLog(storage::Files& files, const storage::LogOptions& options);

// The paths of the segments, ascending.
std::vector<std::string> SegmentPaths(MemoryDisk& disk);

}  // namespace regent::testing
