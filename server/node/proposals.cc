#include "server/node/proposals.h"

#include <algorithm>
#include <utility>

#include "api/contract/errors.h"
#include "glog/logging.h"

namespace regent::server {
namespace {

constexpr Duration kSlot = std::chrono::milliseconds(100);

// The slot that is over only after `deadline` has passed.
int64_t SlotOf(MonotonicTime deadline) { return deadline.time_since_epoch() / kSlot + 1; }

}  // namespace

void Proposals::Add(std::vector<Proposal> proposals) {
  for (Proposal& proposal : proposals) {
    deadlines_[SlotOf(proposal.deadline)].push_back(proposal.sequence);
    const uint64_t sequence = proposal.sequence;
    const bool added = waiting_.emplace(sequence, std::move(proposal)).second;
    CHECK(added) << "sequence " << sequence << " was used twice";
  }
  metrics_.server_proposals_pending.Set(static_cast<double>(waiting_.size()));
  StartTimer();
}

void Proposals::Answer(uint64_t sequence, absl::StatusOr<api::WriteResult> result) {
  if (api::Done<api::WriteResult> done = Take(sequence)) done(std::move(result));
}

void Proposals::Fail(uint64_t sequence, const absl::Status& status) {
  metrics_.server_proposals_failed_total.Increment();
  if (api::Done<api::WriteResult> done = Take(sequence, End::kFailed)) done(status);
}

api::Done<api::WriteResult> Proposals::Take(uint64_t sequence, End end) {
  const auto found = waiting_.find(sequence);
  if (found == waiting_.end()) return nullptr;  // its deadline passed, or it was failed
  const Proposal& proposal = found->second;
  // As etcd has it: a request that was applied is a success, whatever it was answered.
  requests_.request.Observe(proposal.kind, end == End::kApplied, loop_.Now() - proposal.begun);
  api::Done<api::WriteResult> done = std::move(found->second.done);
  waiting_.erase(found);
  metrics_.server_proposals_pending.Set(static_cast<double>(waiting_.size()));
  return done;
}

void Proposals::FailAll(const absl::Status& status) {
  std::vector<uint64_t> failed;
  for (const auto& [sequence, proposal] : waiting_) failed.push_back(sequence);
  std::sort(failed.begin(), failed.end());  // the map's order is chance
  for (const uint64_t sequence : failed) Fail(sequence, status);
}

void Proposals::StartTimer() {
  if (timer_running_ || deadlines_.empty()) return;
  timer_running_ = true;
  loop_.PostAfter(kSlot, [this] {
    timer_running_ = false;
    Sweep();
    StartTimer();
  });
}

void Proposals::Sweep() {
  if (waiting_.empty()) return deadlines_.clear();
  const int64_t now = loop_.Now().time_since_epoch() / kSlot;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const std::vector<uint64_t> sequences = std::move(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
    for (const uint64_t sequence : sequences) {
      if (waiting_.contains(sequence)) Fail(sequence, api::ErrTimeout());
    }
  }
}

}  // namespace regent::server
