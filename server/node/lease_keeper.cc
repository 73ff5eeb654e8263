#include "server/node/lease_keeper.h"

#include <algorithm>

#include "api/contract/errors.h"
#include "glog/logging.h"

namespace regent::server {
namespace {

// Leases that end close together are revoked together.
constexpr Duration kExpiryGranularity = std::chrono::milliseconds(50);
constexpr Duration kRevokeAgain = std::chrono::milliseconds(500);

}  // namespace

LeaseKeeper::LeaseKeeper(const NodeSeams& seams, const NodeOptions& options,
                         std::function<void(raft::Term, const std::vector<api::LeaseId>&)> revoke)
    : loop_(seams.raft_loop), options_(options), metrics_(seams.metrics), revoke_(std::move(revoke)) {}

void LeaseKeeper::Start(const std::vector<storage::LeaseInfo>& leases) {
  for (const storage::LeaseInfo& info : leases) {
    Lease& lease = leases_[info.id];
    lease.ttl = info.ttl;
    SetDeadline(info.id, lease, loop_.Now() + TimeToLive(info.ttl));
  }
}

void LeaseKeeper::Lead(raft::Term term) {
  leading_ = term;
  to_revoke_.clear();
  revoking_ = 0;
  const MonotonicTime now = loop_.Now();
  for (auto& [id, lease] : leases_) {
    lease.expired = false;
    SetDeadline(id, lease, now + TimeToLive(lease.ttl) + options_.election_timeout);
  }
  StartTimer();
}

void LeaseKeeper::Follow() {
  leading_.reset();
  to_revoke_.clear();
  revoking_ = 0;
  FailWaiters(api::ErrLeaderChanged());
}

void LeaseKeeper::OnChanges(const std::vector<storage::LeaseChange>& changes) {
  for (const storage::LeaseChange& change : changes) {
    if (change.kind == storage::LeaseChange::Kind::kGranted) {
      const auto [at, added] = leases_.try_emplace(change.id);
      CHECK(added) << "lease " << change.id.value << " was granted twice";
      at->second.ttl = change.ttl;
      SetDeadline(change.id, at->second, loop_.Now() + TimeToLive(change.ttl));
      continue;
    }
    const auto found = leases_.find(change.id);
    CHECK(found != leases_.end()) << "lease " << change.id.value << " was revoked and never granted";
    Lease lease = std::move(found->second);
    leases_.erase(found);
    deadlines_.erase({lease.deadline, change.id});
    if (lease.expired && to_revoke_.erase(change.id) == 0 && revoking_ > 0) --revoking_;
    for (Waiter& waiter : lease.waiters) waiter.done(api::LeaseKeepAliveResult{.revision = waiter.revision, .ttl = 0});
  }
  StartTimer();
  ProposeRevokes();
}

void LeaseKeeper::Renew(api::LeaseId id, api::Revision revision, api::Done<api::LeaseKeepAliveResult> done) {
  const auto found = leases_.find(id);
  if (found == leases_.end()) return done(api::LeaseKeepAliveResult{.revision = revision, .ttl = 0});
  Lease& lease = found->second;
  if (lease.expired || lease.deadline <= loop_.Now()) {
    lease.waiters.push_back({revision, std::move(done)});
    return;
  }
  SetDeadline(id, lease, loop_.Now() + TimeToLive(lease.ttl));
  metrics_.debugging_lease_renewed_total.Increment();
  done(api::LeaseKeepAliveResult{.revision = revision, .ttl = lease.ttl});
}

std::optional<LeaseKeeper::Remaining> LeaseKeeper::TimeLeft(api::LeaseId id) const {
  const auto found = leases_.find(id);
  if (found == leases_.end()) return std::nullopt;
  const Duration left = found->second.deadline - loop_.Now();
  const int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(left).count();
  return Remaining{.ttl = std::max<int64_t>(seconds, 0), .granted_ttl = found->second.ttl};
}

std::vector<api::LeaseId> LeaseKeeper::ByExpiry() const {
  std::vector<api::LeaseId> ids;
  ids.reserve(leases_.size());
  for (const auto& [id, lease] : leases_) {
    if (lease.expired) ids.push_back(id);
  }
  for (const auto& [deadline, id] : deadlines_) ids.push_back(id);
  return ids;
}

// The longest lease that the contract allows, 9,000,000,000 s, still fits: steady_clock counts nanoseconds up to
// 9,223,372,036 s, of which the uptime of the machine is used.
Duration LeaseKeeper::TimeToLive(int64_t ttl) const {
  const std::chrono::seconds full(std::min<int64_t>(ttl, api::kLeaseTtlSecondsMax));
  return options_.mutants.lease_expires_early ? Duration(full) / 2 : Duration(full);
}

void LeaseKeeper::SetDeadline(api::LeaseId id, Lease& lease, MonotonicTime deadline) {
  deadlines_.erase({lease.deadline, id});
  lease.deadline = deadline;
  deadlines_.emplace(deadline, id);
}

void LeaseKeeper::StartTimer() {
  if (!leading_.has_value() || stopped_ || deadlines_.empty()) return;
  const MonotonicTime due = deadlines_.begin()->first + kExpiryGranularity;
  if (timer_ != Loop::TimerId::kNone) {
    if (timer_due_ <= due) return;  // it looks again
    loop_.Cancel(timer_);
  }
  timer_due_ = due;
  timer_ = loop_.PostAfter(due - loop_.Now(), [this] {
    timer_ = Loop::TimerId::kNone;
    Expire();
    StartTimer();
  });
}

void LeaseKeeper::Expire() {
  if (!leading_.has_value() || stopped_) return;
  const MonotonicTime now = loop_.Now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const api::LeaseId id = deadlines_.begin()->second;
    deadlines_.erase(deadlines_.begin());
    leases_.at(id).expired = true;
    to_revoke_.insert(id);
    metrics_.debugging_server_lease_expired_total.Increment();
  }
  ProposeRevokes();
}

void LeaseKeeper::ProposeRevokes() {
  if (!leading_.has_value() || stopped_) return;
  std::vector<api::LeaseId> batch;
  while (!to_revoke_.empty() && revoking_ < options_.lease_revokes_max) {
    batch.push_back(*to_revoke_.begin());
    to_revoke_.erase(to_revoke_.begin());
    ++revoking_;
  }
  if (!batch.empty()) revoke_(*leading_, batch);
}

// The proposal was refused or its outcome is unknown. If the lease is still there, it is tried again.
void LeaseKeeper::RevokeFailed(api::LeaseId id) {
  const auto found = leases_.find(id);
  if (found == leases_.end() || !found->second.expired || to_revoke_.contains(id)) return;
  if (revoking_ > 0) --revoking_;
  if (stopped_ || !leading_.has_value()) return;
  to_revoke_.insert(id);
  loop_.PostAfter(kRevokeAgain, [this] { ProposeRevokes(); });
}

void LeaseKeeper::Stop(const absl::Status& status) {
  stopped_ = true;
  FailWaiters(status);
}

void LeaseKeeper::FailWaiters(const absl::Status& status) {
  for (auto& [id, lease] : leases_) {
    for (Waiter& waiter : std::exchange(lease.waiters, {})) waiter.done(status);
  }
}

}  // namespace regent::server
