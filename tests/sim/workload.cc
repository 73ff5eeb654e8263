#include "tests/sim/workload.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/contract/errors.h"

namespace regent::sim {

using namespace std::chrono_literals;

namespace {

constexpr int kClients = 6;
constexpr int kKeys = 8;

api::Revision RevisionOf(const api::WriteResult& result) {
  return std::visit([](const auto& alternative) { return alternative.revision; }, result);
}

}  // namespace

Workload::Workload(Scheduler& scheduler, Loop& loop, uint64_t seed, WorkloadOptions options, Truth& truth,
                   Verdict& verdict, WorkloadCounters& counters)
    : scheduler_(scheduler),
      loop_(loop),
      random_(seed),
      options_(options),
      truth_(truth),
      verdict_(verdict),
      counters_(counters) {}

void Workload::Connect(server::Node& node) {
  node_ = &node;
  ++epoch_;
  in_flight_ = 0;
  for (int i = 0; i < kClients; ++i) Next(epoch_);
}

void Workload::Disconnect() {
  node_ = nullptr;
  ++epoch_;
  counters_.unknown += in_flight_;
  in_flight_ = 0;
}

// Answers come on the node's loops; the client thinks for a while, mostly not long.
void Workload::Next(uint64_t epoch) {
  const auto most =
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(options_.thought_max).count());
  const auto thought = random_() % 100 == 0 ? 300ms : std::chrono::milliseconds(random_() % most);
  loop_.PostAfter(thought, [this, epoch] {
    if (epoch == epoch_ && wants_more()) Begin();
  });
}

void Workload::Begin() {
  ++begun_;
  ++in_flight_;
  ++counters_.operations;
  switch (random_() % 40) {
    case 0:
      return Compact();
    case 1:
    case 2:
      return Grant();
    case 3:
      return Revoke();
    case 4:
    case 5:
    case 6:
      return Renew();
    case 7:
    case 8:
    case 9:
      return Delete();
    case 10:
    case 11:
    case 12:
    case 13:
      return Txn();
    case 14:
    case 15:
      return ReadTxn();
    case 16:
    case 17:
    case 18:
    case 19:
    case 20:
    case 21:
    case 22:
      return Range();
    default:
      return Put();
  }
}

bool Workload::Finish(const Call& call) {
  if (call.epoch != epoch_) return false;
  --in_flight_;
  Next(epoch_);
  return true;
}

bool Workload::OutcomeUnknown(const absl::Status& status) const {
  return status == api::ErrTimeout() || status == api::ErrLeaderChanged() || status == api::ErrStopped();
}

bool Workload::Note(const absl::Status& status) {
  ++(status.ok() ? counters_.acknowledged : OutcomeUnknown(status) ? counters_.unknown : counters_.failed);
  return status.ok();
}

void Workload::NoteRevision(const Call& call, api::Revision revision, bool made) {
  const int64_t least = call.revision + (made ? 1 : 0);
  if (revision.value < least) {
    verdict_.Broken(absl::StrCat("an answer has revision ", revision.value, ", but ", call.revision,
                                 " was answered before the call began"));
  }
  if (revision > truth_.revision()) verdict_.Broken("an answer is ahead of the store");
  answered_revision_ = std::max(answered_revision_, revision.value);
}

std::string Workload::RandomKey() { return absl::StrCat("k", random_() % kKeys); }

// Unique; sometimes long, so that segments fill and slices are cut.
std::string Workload::NewValue() {
  const size_t padding = random_() % 50 == 0 ? 4000 + random_() % 8000 : random_() % 100;
  return absl::StrCat("value ", options_.keys, ++last_value_, " ") + std::string(padding, 'x');
}

std::optional<api::LeaseId> Workload::RandomLease() {
  if (lease_ids_.empty()) return std::nullopt;
  return lease_ids_[random_() % lease_ids_.size()];
}

// ---- writes --------------------------------------------------------------------------------------------------------

void Workload::Put() {
  ++counters_.puts;
  api::PutRequest request{.key = RandomKey(), .value = NewValue(), .lease = {}, .prev_kv = random_() % 4 == 0};
  if (random_() % 5 == 0) request.lease = RandomLease().value_or(api::LeaseId{});
  const Call call{epoch_, answered_revision_, scheduler_.now()};
  node_->Propose(request, MonotonicTime::max(), [this, call, request](absl::StatusOr<api::WriteResult> result) {
    if (!result.ok() && !OutcomeUnknown(result.status())) truth_.MustNotHappen(request.value);
    if (!Finish(call) || !Note(result.status())) return;
    const api::Revision revision = RevisionOf(*result);
    if (!truth_.HasPut(revision, request.key, request.value)) {
      verdict_.Broken(absl::StrCat("an acknowledged put did not happen at revision ", revision.value));
    }
    NoteRevision(call, revision, true);
  });
}

void Workload::Delete() {
  ++counters_.deletes;
  api::DeleteRangeRequest request{.key = RandomKey(), .range_end = ""};
  if (random_() % 6 == 0) request.range_end = std::string(api::kFromKey);
  const Call call{epoch_, answered_revision_, scheduler_.now()};
  node_->Propose(request, MonotonicTime::max(), [this, call](absl::StatusOr<api::WriteResult> result) {
    if (!Finish(call) || !Note(result.status())) return;
    const auto& deleted = std::get<api::DeleteRangeResult>(*result);
    if (deleted.deleted > 0 && truth_.DeletesAt(deleted.revision) != deleted.deleted) {
      verdict_.Broken(absl::StrCat("an acknowledged delete did not happen at revision ", deleted.revision.value));
    }
    NoteRevision(call, deleted.revision, deleted.deleted > 0);
  });
}

void Workload::Txn() {
  if (random_() % 4 == 0) return RefusedTxn();
  ++counters_.txns;
  const std::string key = RandomKey();
  const std::string value = NewValue();
  api::TxnRequest request;
  request.compare = {{.result = api::Compare::Result::kGreater,
                      .target = api::Compare::Target::kVersion,
                      .key = key,
                      .range_end = "",
                      .number = static_cast<int64_t>(random_() % 3),
                      .value = ""}};
  request.success = {api::PutRequest{.key = key, .value = value}, api::RangeRequest{.key = key, .range_end = ""},
                     api::DeleteRangeRequest{.key = absl::StrCat("l", random_() % 3), .range_end = ""}};
  request.failure = {api::PutRequest{.key = absl::StrCat("l", random_() % 3), .value = value}};
  const Call call{epoch_, answered_revision_, scheduler_.now()};
  const std::string other = std::get<api::PutRequest>(request.failure.front()).key;
  node_->Propose(
      request, MonotonicTime::max(), [this, call, key, other, value](absl::StatusOr<api::WriteResult> result) {
        if (!result.ok() && !OutcomeUnknown(result.status())) truth_.MustNotHappen(value);
        if (!Finish(call) || !Note(result.status())) return;
        const auto& txn = std::get<api::TxnResult>(*result);
        if (!truth_.HasPut(txn.revision, txn.succeeded ? key : other, value)) {
          verdict_.Broken(absl::StrCat("an acknowledged transaction did not happen at revision ", txn.revision.value));
        }
        NoteRevision(call, txn.revision, true);
      });
}

// A put and a delete that must not happen, because a read beside them, or in a transaction inside, cannot.
void Workload::RefusedTxn() {
  const std::string value = NewValue();
  const bool compacted = truth_.compacted().value > 1 && random_() % 2 == 0;
  const api::RangeRequest range{
      .key = "k", .range_end = "m", .revision = {compacted ? 1 : truth_.revision().value + 1'000'000}};
  api::TxnRequest request;
  request.success = {api::PutRequest{.key = RandomKey(), .value = value},
                     api::DeleteRangeRequest{.key = RandomKey(), .range_end = ""}};
  api::RequestOp read = range;
  if (random_() % 2 == 0) {
    api::TxnRequest nested;
    nested.success = {range};
    read = std::make_shared<const api::TxnRequest>(std::move(nested));
  }
  request.success.insert(request.success.begin() + static_cast<long>(random_() % 3), std::move(read));
  truth_.MustNotHappen(value);
  const Call call{epoch_, answered_revision_, scheduler_.now()};
  node_->Propose(request, MonotonicTime::max(),
                 [this, call, compacted](const absl::StatusOr<api::WriteResult>& result) {
                   if (!Finish(call)) return;
                   if (Note(result.status())) return verdict_.Broken("a transaction that cannot read was done");
                   if (OutcomeUnknown(result.status())) return;
                   if (result.status() == api::ErrNoSpace()) return;  // the disk is full: said before anything is read
                   if (result.status() == api::ErrTooManyRequests()) return;  // no leader took it
                   ++counters_.txns_refused;
                   if (result.status() != (compacted ? api::ErrCompacted() : api::ErrFutureRevision())) {
                     verdict_.Broken("a transaction that cannot read was refused as " + result.status().ToString());
                   }
                 });
}

void Workload::Compact() {
  int64_t revision = truth_.revision().value - static_cast<int64_t>(random_() % 200);
  // Where deletes are lost most easily: at the newest one.
  if (random_() % 2 == 0) revision = std::max(revision, truth_.last_delete().value);
  const bool physical = random_() % 3 == 0;
  const Call call{epoch_, answered_revision_, scheduler_.now()};
  node_->Propose(api::CompactionRequest{.revision = {revision}, .physical = physical}, MonotonicTime::max(),
                 [this, call, revision, physical](absl::StatusOr<api::WriteResult> result) {
                   if (!Finish(call) || !Note(result.status())) return;
                   ++counters_.compactions;
                   if (physical) ++counters_.physical;
                   if (truth_.DeletesAt({revision}) > 0) ++counters_.tombstones_compacted;
                   if (truth_.compacted().value < revision)
                     verdict_.Broken("an acknowledged compaction did not happen");
                   NoteRevision(call, RevisionOf(*result), false);
                 });
}

// ---- reads ---------------------------------------------------------------------------------------------------------

void Workload::Range() {
  api::RangeRequest request{.key = RandomKey(), .range_end = ""};
  if (random_() % 3 == 0) request = {.key = "k", .range_end = "m"};
  request.serializable = random_() % 4 == 0;
  if (random_() % 4 == 0) {
    request.revision.value = std::max<int64_t>(1, truth_.revision().value + 2 - static_cast<int64_t>(random_() % 150));
    ++counters_.old_ranges;
  }
  ++(request.serializable ? counters_.serializable : counters_.ranges);
  const Call call{epoch_, answered_revision_, scheduler_.now()};
  node_->Range(request, MonotonicTime::max(), [this, call, request](absl::StatusOr<api::RangeResult> result) {
    if (!Finish(call) || !Note(result.status())) return;
    CheckRange(request, *result);
    if (!request.serializable) NoteRevision(call, result->revision, false);
  });
}

void Workload::CheckRange(const api::RangeRequest& request, const api::RangeResult& result) {
  const api::Revision at = request.revision.value > 0 ? request.revision : result.revision;
  const auto [bytes, count] = truth_.At(request.key, request.range_end, at);
  std::string read;
  for (const auto& chunk : result.kvs.chunks()) read += chunk;
  if (read != bytes || result.count != count) {
    verdict_.Broken(absl::StrCat("a read at revision ", at.value, " of ", request.key, " returned ", result.count,
                                 " keys that are not the state then (", count, " keys)"));
  }
}

void Workload::ReadTxn() {
  ++counters_.read_txns;
  api::TxnRequest request;
  const api::RangeRequest range{.key = "k", .range_end = "m"};
  request.success = {range, api::RangeRequest{.key = RandomKey(), .range_end = ""}};
  const Call call{epoch_, answered_revision_, scheduler_.now()};
  node_->ReadTxn(request, MonotonicTime::max(), [this, call, request](absl::StatusOr<api::TxnResult> result) {
    if (!Finish(call) || !Note(result.status())) return;
    for (size_t i = 0; i < request.success.size(); ++i) {
      api::RangeRequest asked = std::get<api::RangeRequest>(request.success[i]);
      asked.revision = result->revision;
      CheckRange(asked, std::get<api::RangeResult>(result->responses[i]));
    }
    NoteRevision(call, result->revision, false);
  });
}

// ---- leases --------------------------------------------------------------------------------------------------------

void Workload::Grant() {
  ++counters_.grants;
  const int64_t ttl = 2 + static_cast<int64_t>(random_() % 5);
  const Call call{epoch_, answered_revision_, scheduler_.now()};
  node_->Propose(api::LeaseGrantRequest{.id = {}, .ttl = ttl}, MonotonicTime::max(),
                 [this, call, ttl](absl::StatusOr<api::WriteResult> result) {
                   if (!Finish(call) || !Note(result.status())) return;
                   const auto& granted = std::get<api::LeaseGrantResult>(*result);
                   if (granted.ttl < ttl || leases_.contains(granted.id)) verdict_.Broken("a wrong grant");
                   leases_[granted.id] = {.ttl = granted.ttl, .alive_since = call.begun};
                   lease_ids_.push_back(granted.id);
                   CheckEnded(granted.id);
                 });
}

void Workload::Revoke() {
  const std::optional<api::LeaseId> id = RandomLease();
  if (!id.has_value()) return Grant();
  ++counters_.revokes;
  leases_[*id].revoke_asked = true;
  const Call call{epoch_, answered_revision_, scheduler_.now()};
  node_->Propose(api::LeaseRevokeRequest{.id = *id}, MonotonicTime::max(),
                 [this, call, id](absl::StatusOr<api::WriteResult> result) {
                   if (!Finish(call) || !Note(result.status())) return;
                   if (!truth_.leases().at(*id).revoked.has_value())
                     verdict_.Broken("an acknowledged revocation did not happen");
                   NoteRevision(call, RevisionOf(*result), false);
                 });
}

void Workload::Renew() {
  const std::optional<api::LeaseId> id = RandomLease();
  if (!id.has_value()) return Grant();
  ++counters_.renewals;
  const bool gone = truth_.leases().at(*id).revoked.has_value();
  const Call call{epoch_, answered_revision_, scheduler_.now()};
  node_->LeaseKeepAlive(*id, [this, call, id, gone](absl::StatusOr<api::LeaseKeepAliveResult> result) {
    if (!Finish(call) || !Note(result.status())) return;
    LeaseView& lease = leases_[*id];
    if (result->ttl > 0) {
      if (gone) verdict_.Broken("a renewal was acknowledged for a lease that had been revoked before");
      lease.alive_since = std::max(lease.alive_since, call.begun);
    } else {
      ++counters_.renewals_of_gone;
      if (!truth_.leases().at(*id).revoked.has_value())
        verdict_.Broken("a renewal said that a lease is gone, and it is not");
    }
  });
}

void Workload::CheckLeases() {
  for (; ended_checked_ < truth_.ended_leases().size(); ++ended_checked_) {
    CheckEnded(truth_.ended_leases()[ended_checked_]);
  }
}

void Workload::CheckEnded(api::LeaseId id) {
  const auto found = leases_.find(id);
  const LeaseTruth& truth = truth_.leases().at(id);
  if (found == leases_.end() || found->second.revoke_asked || !truth.revoked.has_value()) return;
  const LeaseView& lease = found->second;
  ++counters_.expiries;
  const std::chrono::duration<double> lived = (*truth.revoked - lease.alive_since) * options_.clock_rate;
  if (lived < std::chrono::seconds(lease.ttl) - 1us) {
    verdict_.Broken(
        absl::StrCat("a lease of ", lease.ttl, " s ended ", lived.count(), " s after its last renewal began"));
  }
}

void Workload::CheckLeasesGone() {
  for (const auto& [id, lease] : truth_.leases()) {
    if (!lease.revoked.has_value()) verdict_.Broken("a lease that nobody renews never ended");
  }
}

}  // namespace regent::sim
