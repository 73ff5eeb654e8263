// When a linearizable read may look at the state applied here.
//
// At once, without any hop, while `local` holds: this node leads, is the only voter, and has applied an entry of its
// own term. Then nobody else can commit anything, and whatever was acknowledged to anybody was applied here before, so
// the published view is the newest state. Otherwise the reads that gather get one read index from the core together,
// wait until it is applied, and run on the pool. A retry asks the core under a fresh id: an answer to the old question
// must not confirm reads that came after it.
//
// Owner: the raft loop, except for Wait, local() and Close, which any thread may call.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "raft/output.h"
#include "server/node/applier.h"
#include "server/node/node_options.h"
#include "server/runtime/mailbox.h"

namespace regent::server {

class ReadGate {
 public:
  using Ready = absl::AnyInvocable<void(absl::Status)>;

  // `ask`: Core::ReadIndex and a turn of the core, on the raft loop.
  ReadGate(const NodeSeams& seams, Applier& applier, std::function<bool(raft::ReadId)> ask);

  bool local() const { return local_.load(std::memory_order_acquire); }
  void SetLocal(bool local) { local_.store(local, std::memory_order_release); }

  // Calls `ready` once, on this thread or on the pool: OK when the state applied here now is as new as a read that
  // begins now demands. Errors: ErrTimeout at the deadline, ErrLeaderChanged, ErrStopped.
  void Wait(MonotonicTime deadline, Ready ready);
  void Close() { arrived_.Close(); }

  // The core's answers.
  void OnRead(raft::Read read);
  void OnReadFailed(raft::ReadId id);

  // From time to time: deadlines, and questions that were not answered.
  void Tick();
  void FailAll(const absl::Status& status);

 private:
  struct Waiting {
    MonotonicTime deadline;
    Ready ready;
  };
  struct Batch {
    MonotonicTime asked;
    std::vector<Waiting> reads;
  };

  void TakeArrived();
  void Ask(std::vector<Waiting> reads);
  void Finish(std::vector<Waiting> reads, const absl::Status& status);
  void DropExpired(std::vector<Waiting>& reads);

  Loop& loop_;
  Loop& background_;
  Applier& applier_;
  Metrics& metrics_;
  const std::function<bool(raft::ReadId)> ask_;
  std::atomic<bool> local_{false};
  Mailbox<Waiting> arrived_;

  std::vector<Waiting> unasked_;  // the core could not take the question: no leader is known
  std::map<raft::ReadId, Batch> asked_;
  uint64_t last_id_ = 0;
};

}  // namespace regent::server
