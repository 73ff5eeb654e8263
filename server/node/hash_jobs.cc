#include "server/node/hash_jobs.h"

#include <utility>

#include "api/contract/errors.h"

namespace regent::server {

HashJobs::HashJobs(const NodeSeams& seams)
    : loop_(seams.apply_loop),
      background_(seams.background),
      state_machine_(seams.state_machine),
      metrics_(seams.metrics) {}

void HashJobs::Add(int64_t revision, api::Done<api::HashKvResult> done) {
  if (stopped_.load()) return done(api::ErrStopped());
  if (waiting_.size() >= kWaitingMax) return done(api::ErrTooManyRequests());
  waiting_.push_back({revision, std::move(done)});
  if (!running_) StartNext();
}

void HashJobs::StartNext() {
  running_ = !waiting_.empty();
  if (!running_) return;
  background_.Post([this, job = std::move(waiting_.front())]() mutable {
    const MonotonicTime begin = background_.Now();
    absl::StatusOr<api::HashKvResult> result = Run(job.revision);
    metrics_.mvcc_hash_rev_duration_seconds.Observe(background_.Now() - begin);
    job.done(std::move(result));
    loop_.Post([this] { StartNext(); });
  });
  waiting_.pop_front();
}

// A compaction may pass the view before its rows are pinned; the newest view is never below it.
absl::StatusOr<api::HashKvResult> HashJobs::Run(int64_t revision) const {
  while (true) {
    absl::StatusOr<api::HashKvResult> result = state_machine_.view()->HashKv(revision, stopped_);
    if (result.ok() || revision != 0 || result.status() != api::ErrCompacted()) return result;
  }
}

void HashJobs::Stop() {
  stopped_.store(true);
  for (Job& job : std::exchange(waiting_, {})) job.done(api::ErrStopped());
}

}  // namespace regent::server
