// Who waits for the answer of which proposal, and how long.
//
// A proposal made on the raft loop comes here, with its caller, together with the first batch of entries handed to the
// apply loop after it: so its caller is always known before its answer. Exactly one of Answer, an expired deadline and
// FailAll ends it. A caller whose deadline passes hears "timed out": the write may still happen.
//
// Owner: the apply loop.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "api/service/backend.h"
#include "server/node/request_metrics.h"
#include "server/runtime/loop.h"
#include "server/runtime/metrics.h"

namespace regent::server {

struct Proposal {
  uint64_t sequence = 0;
  MonotonicTime deadline;
  size_t kind = 0;  // which alternative of WriteRequest it is
  MonotonicTime begun;
  api::Done<api::WriteResult> done;
};

class Proposals {
 public:
  Proposals(Loop& loop, Metrics& metrics, RequestMetrics& requests)
      : loop_(loop), metrics_(metrics), requests_(requests) {}

  void Add(std::vector<Proposal> proposals);
  void Answer(uint64_t sequence, absl::StatusOr<api::WriteResult> result);
  // The caller is somebody else's to answer. Null when it is not waiting any more.
  api::Done<api::WriteResult> Take(uint64_t sequence) { return Take(sequence, End::kApplied); }
  void FailAll(const absl::Status& status);

  size_t size() const { return waiting_.size(); }

 private:
  enum class End : uint8_t { kApplied, kFailed };

  api::Done<api::WriteResult> Take(uint64_t sequence, End end);
  void Fail(uint64_t sequence, const absl::Status& status);
  void Sweep();
  void StartTimer();

  Loop& loop_;
  Metrics& metrics_;
  RequestMetrics& requests_;
  absl::flat_hash_map<uint64_t, Proposal> waiting_;     // by sequence
  std::map<int64_t, std::vector<uint64_t>> deadlines_;  // slots of time → sequences, answered ones among them
  bool timer_running_ = false;
};

}  // namespace regent::server
