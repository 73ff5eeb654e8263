#include "server/node/lease_keeper.h"

#include <algorithm>

#include "api/contract/errors.h"
#include "glog/logging.h"

namespace regent::server {
namespace {

// Leases that expire close together are ended together.
constexpr Duration kExpiryGranularity = std::chrono::milliseconds(50);
constexpr Duration kEndAgain = std::chrono::milliseconds(500);

// A command that was done within the first is followed by one of twice the size, beyond the second by one of half.
constexpr Duration kCommandQuick = std::chrono::milliseconds(2);
constexpr Duration kCommandSlow = std::chrono::milliseconds(8);
constexpr Duration kRestMax = std::chrono::milliseconds(20);

}  // namespace

LeaseKeeper::LeaseKeeper(const NodeSeams& seams, const NodeOptions& options, Expire expire)
    : loop_(seams.raft_loop),
      options_(options),
      metrics_(seams.metrics),
      expire_(std::move(expire)),
      leases_per_command_(options.lease_revokes_max) {}

void LeaseKeeper::Start(const std::vector<storage::LeaseInfo>& leases) {
  for (const storage::LeaseInfo& info : leases) {
    Lease& lease = leases_[info.id];
    lease.ttl = info.ttl;
    SetDeadline(info.id, lease, loop_.Now() + TimeToLive(info.ttl));
  }
}

void LeaseKeeper::Lead(raft::Term term) {
  leading_ = term;
  ForgetCommand();
  const MonotonicTime now = loop_.Now();
  for (auto& [id, lease] : leases_) {
    lease.expired = false;
    if (options_.mutants.keep_deadlines_when_leading) continue;
    SetDeadline(id, lease, now + TimeToLive(lease.ttl) + options_.election_timeout);
  }
  StartTimer();
}

void LeaseKeeper::Follow() {
  if (!options_.mutants.expire_when_deposed) leading_.reset();
  ForgetCommand();
  FailWaiters(api::ErrLeaderChanged());
}

void LeaseKeeper::Replace(const std::vector<storage::LeaseInfo>& leases) {
  CHECK(!leading_.has_value() || options_.mutants.expire_when_deposed) << "the leader's store was replaced";
  leases_.clear();
  deadlines_.clear();
  Start(leases);
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
    if (lease.expired) metrics_.debugging_server_lease_expired_total.Increment();
    for (Waiter& waiter : lease.waiters) waiter.done(api::LeaseKeepAliveResult{.revision = waiter.revision, .ttl = 0});
  }
  StartTimer();
}

void LeaseKeeper::Renew(api::LeaseId id, api::Revision revision, api::Done<api::LeaseKeepAliveResult> done) {
  const auto found = leases_.find(id);
  if (found == leases_.end()) {
    return done(api::LeaseKeepAliveResult{.revision = revision, .ttl = options_.mutants.renew_ended_lease ? 1 : 0});
  }
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
    ExpireDue();
    StartTimer();
  });
}

void LeaseKeeper::ExpireDue() {
  if (!leading_.has_value() || stopped_) return;
  const MonotonicTime now = loop_.Now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const api::LeaseId id = deadlines_.begin()->second;
    deadlines_.erase(deadlines_.begin());
    leases_.at(id).expired = true;
    to_end_.push_back(id);
  }
  ProposeEnds();
}

void LeaseKeeper::ProposeEnds() {
  if (!leading_.has_value() || stopped_ || resting_ || !ending_.empty()) return;
  while (!to_end_.empty() && ending_.size() < leases_per_command_) {
    const auto found = leases_.find(to_end_.front());
    if (found != leases_.end() && found->second.expired) ending_.push_back(found->first);
    to_end_.pop_front();
  }
  if (ending_.empty()) return;
  proposed_ = loop_.Now();
  expire_(*leading_, ending_, [this, command = ++command_](const absl::Status& status) { OnEnded(command, status); });
}

void LeaseKeeper::OnEnded(uint64_t command, const absl::Status& status) {
  if (command != command_ || ending_.empty()) return;  // of an earlier leadership
  const std::vector<api::LeaseId> leases = std::exchange(ending_, {});
  const Duration took = loop_.Now() - proposed_;
  if (took < kCommandQuick) leases_per_command_ = std::min(2 * leases_per_command_, options_.lease_revokes_max);
  if (took > kCommandSlow) leases_per_command_ = std::max<size_t>(leases_per_command_ / 2, 1);
  if (status.ok()) return RestFor(std::min(took, kRestMax));
  // It was refused, or its outcome is unknown: what is still there is tried again.
  to_end_.insert(to_end_.begin(), leases.begin(), leases.end());
  RestFor(kEndAgain);
}

void LeaseKeeper::RestFor(Duration rest) {
  if (rest == Duration::zero() || to_end_.empty()) return ProposeEnds();
  resting_ = true;
  loop_.PostAfter(rest, [this] {
    resting_ = false;
    ProposeEnds();
  });
}

// What an earlier leadership has under way does not count any more.
void LeaseKeeper::ForgetCommand() {
  to_end_.clear();
  ending_.clear();
  ++command_;
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
