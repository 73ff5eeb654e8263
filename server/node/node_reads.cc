// What a node answers without writing: reads, the time of leases, facts about itself.
#include <algorithm>
#include <utility>

#include "api/contract/errors.h"
#include "server/node/node.h"
#include "server/node/view_slices.h"
#include "storage/quota.h"

namespace regent::server {

using storage::kEmptyStoreBytes;

namespace {

// What is larger is read while it is sent: a list may be as large as the store, and memory is not.
constexpr size_t kWholeRangeBytes = 4 << 20;

}  // namespace

// A caller who names no deadline, or a later one, waits as long as the contract says.
MonotonicTime Node::Bounded(MonotonicTime deadline) const {
  if (options_.mutants.wait_for_ever) return deadline;
  return std::min(deadline, seams_.raft_loop.Now() + options_.request_timeout());
}

std::shared_ptr<const storage::View> Node::ReadView() {
  if (options_.mutants.stale_linearizable_read) {
    MutexLock lock(stale_mutex_);
    if (stale_view_ == nullptr || reads_.fetch_add(1) % 64 == 0) stale_view_ = seams_.state_machine.view();
    return stale_view_;
  }
  return seams_.state_machine.view();
}

api::Header Node::CurrentHeader() const {
  return {.cluster_id = options_.cluster_id,
          .member_id = options_.member_id,
          .revision = seams_.state_machine.view()->revision(),
          .raft_term = driver_.term()};
}

// A compaction may pass the view between the moment it is taken and the read: the newest view is never below it, so a
// read of the current revision is asked again. Each round means that a compaction was applied meanwhile.
absl::StatusOr<api::RangeResult> Node::RangeNow(const api::RangeRequest& request) {
  while (true) {
    absl::StatusOr<api::RangeResult> result = ReadView()->RangeInParts(request, kWholeRangeBytes);
    if (result.ok() || request.revision.value > 0 || result.status() != api::ErrCompacted()) return result;
  }
}

absl::StatusOr<api::TxnResult> Node::ReadTxnNow(const api::TxnRequest& request) {
  absl::StatusOr<api::TxnResult> result = ReadView()->ReadTxn(request);
  // A range at an old revision inside may be what is compacted: then the second answer is the same.
  for (int again = 0; again < 3 && !result.ok() && result.status() == api::ErrCompacted(); ++again) {
    result = ReadView()->ReadTxn(request);
  }
  return result;
}

// Before the node is ready a serializable read waits as a linearizable one does: the flushed state that a restart finds
// lags behind what was acknowledged.
void Node::Range(api::RangeRequest request, api::MonotonicTime deadline, api::Done<api::RangeResult> done) {
  if (stopping_.load(std::memory_order_relaxed)) return done(api::ErrStopped());
  const MonotonicTime begun = seams_.raft_loop.Now();
  if (gate_.local() || (request.serializable && ready())) return done(RangeCounted(request, begun));
  gate_.Wait(Bounded(deadline),
             [this, begun, request = std::move(request), done = std::move(done)](absl::Status status) mutable {
               if (status.ok()) return done(RangeCounted(request, begun));
               request_metrics_.request.Observe(kRangeKind, false, seams_.raft_loop.Now() - begun);
               done(std::move(status));
             });
}

void Node::OpenRange(api::RangeRequest request, api::MonotonicTime deadline,
                     api::Done<std::unique_ptr<api::SlicedRange>> done) {
  seams_.metrics.mvcc_range_total.Increment();
  if (stopping_.load(std::memory_order_relaxed)) return done(api::ErrStopped());
  const bool at_once = gate_.local() || (request.serializable && ready());
  auto slices = std::make_unique<ViewSlices>(seams_.state_machine, std::move(request));
  if (at_once) return done(std::move(slices));
  gate_.Wait(Bounded(deadline), [slices = std::move(slices), done = std::move(done)](absl::Status status) mutable {
    if (!status.ok()) return done(std::move(status));
    done(std::move(slices));
  });
}

void Node::ReadTxn(api::TxnRequest request, api::MonotonicTime deadline, api::Done<api::TxnResult> done) {
  if (stopping_.load(std::memory_order_relaxed)) return done(api::ErrStopped());
  const MonotonicTime begun = seams_.raft_loop.Now();
  const auto serializable = [](const std::vector<api::RequestOp>& operations) {
    return std::all_of(operations.begin(), operations.end(), [](const api::RequestOp& operation) {
      const auto* range = std::get_if<api::RangeRequest>(&operation);
      return range != nullptr && range->serializable;
    });
  };
  if (gate_.local() || (ready() && serializable(request.success) && serializable(request.failure))) {
    return done(ReadTxnCounted(request, begun));
  }
  gate_.Wait(Bounded(deadline),
             [this, begun, request = std::move(request), done = std::move(done)](absl::Status status) mutable {
               if (!status.ok()) return done(std::move(status));
               done(ReadTxnCounted(request, begun));
             });
}

// ---- leases --------------------------------------------------------------------------------------------------------

void Node::LeaseKeepAlive(api::LeaseId id, api::Done<api::LeaseKeepAliveResult> done) {
  if (stopping_.load(std::memory_order_relaxed)) return done(api::ErrStopped());
  if (LeaderIsElsewhere()) return AskToKeepAlive(id, std::move(done));
  gate_.Wait(Bounded(MonotonicTime::max()), [this, id, done = std::move(done)](absl::Status status) mutable {
    if (!status.ok()) return done(std::move(status));
    if (LeaderIsElsewhere()) return AskToKeepAlive(id, std::move(done));
    const api::Revision revision = seams_.state_machine.view()->revision();
    applier_.BehindLeaseChanges([this, id, revision, done = std::move(done)]() mutable {
      if (stopping_.load()) return done(api::ErrStopped());
      if (!keeper_.leading()) return done(api::ErrLeaderChanged());
      keeper_.Renew(id, revision, std::move(done));
    });
  });
}

void Node::AskToKeepAlive(api::LeaseId id, api::Done<api::LeaseKeepAliveResult> done) {
  const api::Revision revision = seams_.state_machine.view()->revision();
  AskLeader(LeaseQuestion::Kind::kRenew, id,
            [revision, done = std::move(done)](absl::StatusOr<LeaseAnswer> answer) mutable {
              if (!answer.ok()) return done(answer.status());
              done(api::LeaseKeepAliveResult{.revision = revision, .ttl = answer->ttl});
            });
}

void Node::LeaseTimeToLive(api::LeaseId id, bool keys, api::Done<api::LeaseTimeToLiveResult> done) {
  if (stopping_.load(std::memory_order_relaxed)) return done(api::ErrStopped());
  if (LeaderIsElsewhere()) return AskTimeToLive(id, keys, std::move(done));
  gate_.Wait(Bounded(MonotonicTime::max()), [this, id, keys, done = std::move(done)](absl::Status status) mutable {
    if (!status.ok()) return done(std::move(status));
    if (LeaderIsElsewhere()) return AskTimeToLive(id, keys, std::move(done));
    seams_.raft_loop.Post([this, id, keys, done = std::move(done)]() mutable {
      if (!keeper_.leading()) return done(api::ErrLeaderChanged());
      api::LeaseTimeToLiveResult result{.revision = seams_.state_machine.view()->revision()};
      const std::optional<LeaseKeeper::Remaining> left = keeper_.TimeLeft(id);
      if (!left.has_value()) return done(std::move(result));
      result.ttl = left->ttl;
      result.granted_ttl = left->granted_ttl;
      if (!keys) return done(std::move(result));
      seams_.apply_loop.Post([this, id, result = std::move(result), done = std::move(done)]() mutable {
        result.keys = seams_.state_machine.LeaseKeys(id);
        done(std::move(result));
      });
    });
  });
}

void Node::AskTimeToLive(api::LeaseId id, bool keys, api::Done<api::LeaseTimeToLiveResult> done) {
  const LeaseQuestion::Kind kind = keys ? LeaseQuestion::Kind::kTimeToLiveAndKeys : LeaseQuestion::Kind::kTimeToLive;
  AskLeader(kind, id, [this, done = std::move(done)](absl::StatusOr<LeaseAnswer> answer) mutable {
    if (!answer.ok()) return done(answer.status());
    done(api::LeaseTimeToLiveResult{.revision = seams_.state_machine.view()->revision(),
                                    .ttl = answer->ttl,
                                    .granted_ttl = answer->granted_ttl,
                                    .keys = std::move(answer->keys)});
  });
}

void Node::LeaseLeases(api::Done<api::LeaseLeasesResult> done) {
  if (stopping_.load(std::memory_order_relaxed)) return done(api::ErrStopped());
  gate_.Wait(Bounded(MonotonicTime::max()), [this, done = std::move(done)](absl::Status status) mutable {
    if (!status.ok()) return done(std::move(status));
    seams_.raft_loop.Post([this, done = std::move(done)]() mutable {
      done(api::LeaseLeasesResult{.revision = seams_.state_machine.view()->revision(), .leases = keeper_.ByExpiry()});
    });
  });
}

// ---- watches, and facts about the node -----------------------------------------------------------------------------

std::unique_ptr<api::WatchStream> Node::OpenWatch(std::shared_ptr<api::WatchSink> sink) {
  return hub_.OpenStream(std::move(sink));
}

void Node::Status(api::Done<api::StatusResult> done) {
  if (stopping_.load(std::memory_order_relaxed)) return done(api::ErrStopped());
  seams_.apply_loop.Post([this, done = std::move(done)]() mutable {
    const std::shared_ptr<const storage::View> view = seams_.state_machine.view();
    const uint64_t applied = applier_.applied().value;
    done(api::StatusResult{.revision = view->revision(),
                           .db_size = kEmptyStoreBytes + view->logical_size(),
                           .db_size_in_use = kEmptyStoreBytes + view->logical_size_in_use(),
                           .db_size_quota = options_.quota_bytes,
                           .leader = driver_.leader(),
                           .raft_index = std::max(driver_.commit(), applied),
                           .raft_applied_index = applied,
                           .raft_term = driver_.term(),
                           .is_learner = is_learner_.load(),
                           .alarms = seams_.state_machine.Alarms()});
  });
}

void Node::Alarms(api::AlarmRequest get, api::Done<api::AlarmResult> done) {
  if (stopping_.load(std::memory_order_relaxed)) return done(api::ErrStopped());
  gate_.Wait(Bounded(MonotonicTime::max()), [this, get, done = std::move(done)](absl::Status status) mutable {
    if (!status.ok()) return done(std::move(status));
    seams_.apply_loop.Post([this, get, done = std::move(done)]() mutable {
      api::AlarmResult result{.revision = seams_.state_machine.view()->revision(), .alarms = {}};
      for (const api::AlarmMember& alarm : seams_.state_machine.Alarms()) {
        // As in etcd, the request's member does not matter.
        if (get.alarm == api::AlarmType::kNone || get.alarm == alarm.alarm) result.alarms.push_back(alarm);
      }
      done(std::move(result));
    });
  });
}

// Nothing to do: the store gives space back by itself.
void Node::Defragment(api::Done<std::monostate> done) { done(std::monostate{}); }

void Node::Hash(api::Done<api::HashResult> done) {
  if (stopping_.load(std::memory_order_relaxed)) return done(api::ErrStopped());
  seams_.apply_loop.Post([this, done = std::move(done)]() mutable {
    const uint64_t digest = seams_.state_machine.digest();
    done(api::HashResult{.revision = seams_.state_machine.view()->revision(),
                         .hash = static_cast<uint32_t>(digest ^ digest >> 32)});
  });
}

void Node::HashKv(int64_t revision, api::Done<api::HashKvResult> done) {
  if (stopping_.load(std::memory_order_relaxed)) return done(api::ErrStopped());
  seams_.apply_loop.Post(
      [this, revision, done = std::move(done)]() mutable { hash_jobs_.Add(revision, std::move(done)); });
}

void Node::RefreshMetrics() {
  const std::shared_ptr<const storage::View> view = seams_.state_machine.view();
  Metrics& metrics = seams_.metrics;
  metrics.mvcc_db_total_size_in_bytes.Set(static_cast<double>(kEmptyStoreBytes + view->logical_size()));
  metrics.mvcc_db_total_size_in_use_in_bytes.Set(static_cast<double>(kEmptyStoreBytes + view->logical_size_in_use()));
  metrics.debugging_mvcc_current_revision.Set(static_cast<double>(view->revision().value));
  metrics.debugging_mvcc_compact_revision.Set(
      view->compacted().value == 0 ? -1.0 : static_cast<double>(view->compacted().value));
  const absl::StatusOr<api::RangeResult> all =
      view->Range({.key = std::string(1, '\0'), .range_end = std::string(1, '\0'), .count_only = true});
  if (all.ok()) metrics.debugging_mvcc_keys_total.Set(static_cast<double>(all->count));
}

}  // namespace regent::server
