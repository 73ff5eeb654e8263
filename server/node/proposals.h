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
#include "server/runtime/loop.h"
#include "server/runtime/metrics.h"

namespace regent::server {

struct Proposal {
  uint64_t sequence = 0;
  MonotonicTime deadline;
  api::Done<api::WriteResult> done;
};

class Proposals {
 public:
  Proposals(Loop& loop, Metrics& metrics) : loop_(loop), metrics_(metrics) {}

  void Add(std::vector<Proposal> proposals);
  void Answer(uint64_t sequence, absl::StatusOr<api::WriteResult> result);
  void FailAll(const absl::Status& status);

  size_t size() const { return waiting_.size(); }

 private:
  void Sweep();
  void StartTimer();

  Loop& loop_;
  Metrics& metrics_;
  absl::flat_hash_map<uint64_t, Proposal> waiting_;     // by sequence
  std::map<int64_t, std::vector<uint64_t>> deadlines_;  // slots of time → sequences, answered ones among them
  bool timer_running_ = false;
};

}  // namespace regent::server
