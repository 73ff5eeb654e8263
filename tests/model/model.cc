#include "tests/model/model.h"

#include <algorithm>

namespace regent::model {
namespace {

absl::Status KeyNotFound() { return absl::InvalidArgumentError("etcdserver: key not found"); }
absl::Status NoSpace() { return absl::ResourceExhaustedError("etcdserver: mvcc: database space exceeded"); }
absl::Status LeaseNotFound() { return absl::NotFoundError("etcdserver: requested lease not found"); }
absl::Status LeaseExists() { return absl::FailedPreconditionError("etcdserver: lease already exists"); }
absl::Status Compacted() { return absl::OutOfRangeError("etcdserver: mvcc: required revision has been compacted"); }
absl::Status FutureRevision() {
  return absl::OutOfRangeError("etcdserver: mvcc: required revision is a future revision");
}

template <typename T>
absl::StatusOr<WriteAnswer> Widen(absl::StatusOr<T> answer) {
  if (!answer.ok()) return answer.status();
  return WriteAnswer(*std::move(answer));
}

int64_t Cost(const api::TxnRequest& txn);

int64_t Cost(const std::vector<api::RequestOp>& operations) {
  int64_t cost = 0;
  for (const api::RequestOp& operation : operations) {
    if (operation.index() == 1) {
      const auto& put = std::get<1>(operation);
      cost += static_cast<int64_t>(256 + put.key.size() + put.value.size());
    }
    if (operation.index() == 3) cost += Cost(*std::get<3>(operation));
  }
  return cost;
}

int64_t Cost(const api::TxnRequest& txn) { return std::max(Cost(txn.success), Cost(txn.failure)); }

int64_t Cost(const api::WriteRequest& request) {
  if (const auto* put = std::get_if<api::PutRequest>(&request)) return Cost({api::RequestOp(*put)});
  if (const auto* txn = std::get_if<api::TxnRequest>(&request)) return Cost(*txn);
  return std::holds_alternative<api::LeaseGrantRequest>(request) ? 64 : 0;
}

}  // namespace

int64_t Weight(const KeyValue& kv, bool deletion) {
  return static_cast<int64_t>(kv.key.size()) + 64 + (deletion ? 0 : static_cast<int64_t>(RestSize(kv)));
}

// etcd's rules: an alarm refuses before anything else; a write that does not fit is carried out and answered so.
absl::StatusOr<WriteAnswer> Model::Apply(const api::WriteRequest& request) {
  over_quota_ = false;
  if (absl::Status refused = RefusedByAlarm(request); !refused.ok()) return refused;
  const int64_t cost = Cost(request);
  const bool fits = quota_bytes_ == 0 || cost == 0 || 4096 + logical_size() + cost < quota_bytes_;
  absl::StatusOr<WriteAnswer> answer = Execute(request);
  if (fits || !answer.ok()) return answer;
  over_quota_ = true;
  return NoSpace();
}

absl::Status Model::RefusedByAlarm(const api::WriteRequest& request) const {
  if (std::holds_alternative<api::AlarmRequest>(request)) return absl::OkStatus();
  for (const api::AlarmMember& alarm : alarms_) {
    if (alarm.alarm == api::AlarmType::kCorrupt) return absl::DataLossError("etcdserver: corrupt cluster");
  }
  return alarms_.empty() || Cost(request) == 0 ? absl::OkStatus() : NoSpace();
}

absl::StatusOr<WriteAnswer> Model::Execute(const api::WriteRequest& request) {
  if (const auto* put = std::get_if<api::PutRequest>(&request)) {
    if (absl::Status status = CheckPut(*put); !status.ok()) return status;
    PutAnswer answer = Put(*put);
    Commit();
    return WriteAnswer(std::move(answer));
  }
  if (const auto* deletion = std::get_if<api::DeleteRangeRequest>(&request)) {
    DeleteAnswer answer = Delete(*deletion);
    Commit();
    return WriteAnswer(std::move(answer));
  }
  if (const auto* txn = std::get_if<api::TxnRequest>(&request)) {
    std::vector<bool> path;
    ChoosePath(*txn, kNewest, &path);
    size_t position = 0;
    if (absl::Status status = CheckTxn(*txn, path, &position, revision_); !status.ok()) return status;
    position = 0;
    TxnAnswer answer = Execute(*txn, path, &position);
    answer.revision = HeaderRevision();
    Commit();
    return WriteAnswer(std::move(answer));
  }
  if (const auto* compaction = std::get_if<api::CompactionRequest>(&request))
    return Widen(Compact(compaction->revision.value));
  if (const auto* grant = std::get_if<api::LeaseGrantRequest>(&request)) return Widen(Grant(*grant));
  if (const auto* revoke = std::get_if<api::LeaseRevokeRequest>(&request)) return Widen(Revoke(revoke->id.value));
  if (const auto* expiry = std::get_if<api::LeaseExpiryRequest>(&request)) return WriteAnswer(Expire(expiry->ids));
  return WriteAnswer(Alarm(std::get<api::AlarmRequest>(request)));
}

absl::Status Model::CheckPut(const api::PutRequest& request) const {
  if (request.lease.value != 0 && !leases_.contains(request.lease.value)) return LeaseNotFound();
  if ((request.ignore_value || request.ignore_lease) && !Find(request.key)) return KeyNotFound();
  return absl::OkStatus();
}

absl::Status Model::CheckTxn(const api::TxnRequest& request, const std::vector<bool>& path, size_t* position,
                             int64_t current) const {
  for (const api::RequestOp& operation : path[(*position)++] ? request.success : request.failure) {
    absl::Status status;
    if (const auto* put = std::get_if<api::PutRequest>(&operation)) {
      status = CheckPut(*put);
    } else if (const auto* range = std::get_if<api::RangeRequest>(&operation)) {
      const int64_t at = range->revision.value;
      // A negative revision is "latest" for a Range alone, but not inside a transaction.
      if (at > current) status = FutureRevision();
      if (at != 0 && at < compacted_) status = Compacted();
    } else if (const auto* nested = std::get_if<std::shared_ptr<const api::TxnRequest>>(&operation)) {
      status = CheckTxn(**nested, path, position, current);
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

TxnAnswer Model::Execute(const api::TxnRequest& request, const std::vector<bool>& path, size_t* position) {
  TxnAnswer answer;
  answer.succeeded = path[(*position)++];
  for (const api::RequestOp& operation : answer.succeeded ? request.success : request.failure) {
    if (const auto* range = std::get_if<api::RangeRequest>(&operation)) {
      const int64_t at = range->revision.value;
      answer.operations.emplace_back(ReadAt(*range, at > 0 ? at : kNewest, HeaderRevision()));
    } else if (const auto* put = std::get_if<api::PutRequest>(&operation)) {
      answer.operations.emplace_back(Put(*put));
    } else if (const auto* deletion = std::get_if<api::DeleteRangeRequest>(&operation)) {
      answer.operations.emplace_back(Delete(*deletion));
    } else {
      const auto& nested = std::get<std::shared_ptr<const api::TxnRequest>>(operation);
      answer.operations.emplace_back(std::make_shared<const TxnAnswer>(Execute(*nested, path, position)));
    }
  }
  return answer;
}

PutAnswer Model::Put(const api::PutRequest& request) {
  const std::optional<KeyValue> old = Find(request.key);
  KeyValue kv{.key = request.key, .mod = revision_ + 1, .lease = request.lease.value};
  kv.create = old ? old->create : kv.mod;
  kv.version = old ? old->version + 1 : 1;
  kv.value = request.ignore_value ? old->value : std::make_shared<const std::string>(request.value);
  if (request.ignore_lease) kv.lease = old->lease;
  Link(kv.key, old ? old->lease : 0, kv.lease);
  Record(ModelEvent{.revision = kv.mod, .deletion = false, .kv = kv});
  PutAnswer answer{.revision = HeaderRevision()};
  if (request.prev_kv) answer.previous = old;
  return answer;
}

DeleteAnswer Model::Delete(const api::DeleteRangeRequest& request) {
  DeleteAnswer answer;
  for (const KeyValue& old : Select(request.key, request.range_end, kNewest)) {
    KeyValue tombstone{.key = old.key, .mod = revision_ + 1};
    Link(old.key, old.lease, 0);
    Record(ModelEvent{.revision = tombstone.mod, .deletion = true, .kv = tombstone});
    ++answer.deleted;
    if (request.prev_kv) answer.previous.push_back(old);
  }
  answer.revision = HeaderRevision();
  return answer;
}

void Model::Record(ModelEvent event) {
  event.previous = At(event.kv.key, event.revision - 1);
  std::vector<Version>& versions = history_[event.kv.key];
  if (!versions.empty() && versions.back().kv.mod == event.revision) {
    for (ModelEvent& earlier : changes_) earlier.superseded = earlier.superseded || earlier.kv.key == event.kv.key;
  }
  versions.push_back(Version{event.kv, event.deletion});
  versions_size_ += Weight(event.kv, event.deletion);
  changes_.push_back(std::move(event));
}

void Model::Link(const std::string& key, int64_t old_lease, int64_t new_lease) {
  if (old_lease != 0) lease_keys_[old_lease].erase(key);
  if (new_lease != 0) lease_keys_[new_lease].insert(key);
}

void Model::Commit() {
  if (changes_.empty()) return;
  events_[++revision_] = std::move(changes_);
  changes_.clear();
}

absl::StatusOr<RevisionAnswer> Model::Compact(int64_t at) {
  if (at <= compacted_) return Compacted();
  if (at > revision_) return FutureRevision();
  compacted_ = at;
  for (auto entry = history_.begin(); entry != history_.end();) {
    std::vector<Version>& versions = entry->second;
    // The newest version at or below `at` stays, unless it is a tombstone.
    auto keep = std::upper_bound(versions.begin(), versions.end(), at,
                                 [](int64_t revision, const Version& version) { return revision < version.kv.mod; });
    if (keep != versions.begin() && !std::prev(keep)->deletion) --keep;
    for (auto gone = versions.begin(); gone != keep; ++gone) versions_size_ -= Weight(gone->kv, gone->deletion);
    versions.erase(versions.begin(), keep);
    entry = versions.empty() ? history_.erase(entry) : std::next(entry);
  }
  events_.erase(events_.begin(), events_.lower_bound(at));
  return RevisionAnswer{revision_};
}

absl::StatusOr<GrantAnswer> Model::Grant(const api::LeaseGrantRequest& request) {
  if (request.id.value == 0) return LeaseNotFound();
  if (request.ttl > 9'000'000'000) return absl::OutOfRangeError("etcdserver: too large lease TTL");
  if (leases_.contains(request.id.value)) return LeaseExists();
  leases_[request.id.value] = request.ttl;
  lease_changes_.push_back("+" + std::to_string(request.id.value) + " " + std::to_string(request.ttl));
  return GrantAnswer{revision_, request.id.value, request.ttl};
}

absl::StatusOr<RevisionAnswer> Model::Revoke(int64_t id) {
  if (!leases_.contains(id)) return LeaseNotFound();
  const std::set<std::string> keys = LeaseKeys(id);
  for (const std::string& key : keys) Delete(api::DeleteRangeRequest{.key = key});
  leases_.erase(id);
  lease_keys_.erase(id);
  lease_changes_.push_back("-" + std::to_string(id));
  Commit();
  return RevisionAnswer{revision_};
}

RevisionAnswer Model::Expire(const std::vector<api::LeaseId>& ids) {
  for (const api::LeaseId id : ids) (void)Revoke(id.value);  // one that is gone is passed over
  return RevisionAnswer{revision_};
}

AlarmAnswer Model::Alarm(const api::AlarmRequest& request) {
  AlarmAnswer answer{.revision = revision_};
  const api::AlarmMember alarm{request.member_id, request.alarm};
  if (request.action == api::AlarmAction::kGet) {
    for (const api::AlarmMember& on : alarms_) {
      if (request.alarm == api::AlarmType::kNone || on.alarm == request.alarm) answer.alarms.push_back(on);
    }
  } else if (request.action == api::AlarmAction::kActivate) {
    if (request.alarm == api::AlarmType::kNone) return answer;
    alarms_.insert(alarm);
    answer.alarms.push_back(alarm);
  } else if (alarms_.erase(alarm) > 0) {
    answer.alarms.push_back(alarm);
  }
  return answer;
}

}  // namespace regent::model
