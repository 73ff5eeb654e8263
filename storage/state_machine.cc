#include "storage/state_machine.h"

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "api/contract/errors.h"
#include "api/contract/key_range.h"
#include "api/contract/limits.h"
#include "glog/logging.h"
#include "raft/configuration.h"
#include "raft/quorum.h"
#include "storage/compaction.h"
#include "storage/configuration_row.h"
#include "storage/kv_writer.h"
#include "storage/members.h"
#include "storage/mvcc.h"
#include "storage/quota.h"
#include "storage/store_view.h"

namespace regent::storage {
namespace {

// What the digest is told besides key-value operations (those take the numbers of EventKind).
enum class DigestKind : uint64_t {
  kCompaction = 16,
  kGrant = 17,
  kRevoke = 18,
  kAlarmOn = 19,
  kAlarmOff = 20,
  kMember = 21,
  kMemberRemoved = 22,
  kConfiguration = 23,
};

std::set<api::AlarmMember> LoadAlarms(const Engine& engine) {
  std::set<api::AlarmMember> alarms;
  const std::unique_ptr<RowIterator> row = engine.Iterate(api::PrefixEnd(kAlarmRows), Scope::kRange);
  for (row->Seek(kAlarmRows); row->Valid(); row->Next()) {
    const std::string_view rest = row->row().substr(kAlarmRows.size());
    CHECK_EQ(rest.size(), 9u) << "an alarm row of an unknown form";
    alarms.insert({.member_id = ReadBigEndian64(rest), .alarm = static_cast<api::AlarmType>(rest[8])});
  }
  return alarms;
}

std::optional<raft::Entry> LoadConfiguration(const Engine& engine) {
  std::string row;
  if (!engine.Get(kConfigurationRow, &row)) return std::nullopt;
  std::optional<raft::Entry> entry = ParseConfigurationRow(row);
  CHECK(entry.has_value()) << "the row of the configuration is malformed";
  return entry;
}

class Machine final : public StateMachine {
 public:
  Machine(std::shared_ptr<Engine> engine, const StateMachineOptions& options) : options_(options) {
    Load(std::move(engine));
  }

  ApplyOutcome Apply(std::span<const raft::Entry> turn, const WantsPrevious& wants_previous) override;

  raft::Index applied() const override { return {mvcc_->counters().applied_index}; }
  raft::Term applied_term() const override { return {mvcc_->counters().applied_term}; }
  std::shared_ptr<const View> view() const override { return std::atomic_load(&view_); }

  std::vector<LeaseInfo> Leases() const override;
  std::optional<LeaseInfo> FindLease(api::LeaseId id) const override;
  std::vector<std::string> LeaseKeys(api::LeaseId id) const override { return mvcc_->leases().Keys(id.value); }
  std::vector<api::AlarmMember> Alarms() const override { return {alarms_.begin(), alarms_.end()}; }
  std::vector<api::Member> Members() const override;
  std::set<uint64_t> RemovedMembers() const override { return members_->removed(); }

  std::optional<PurgePlan> PlanPurge(const View& view, size_t events_max) const override;
  void RunPurge(const PurgePlan& plan) override;

  std::optional<raft::Entry> configuration() const override { return configuration_; }
  absl::StatusOr<raft::Index> Flush() override;
  absl::StatusOr<SnapshotFacts> Checkpoint(const std::string& folder) override;
  void Replace(std::shared_ptr<Engine> engine) override { Load(std::move(engine)); }
  absl::StatusOr<raft::Index> PersistedApplied() const override;
  uint64_t digest() const override { return mvcc_->counters().digest; }

 private:
  using Result = absl::StatusOr<api::WriteResult>;

  void ApplyEntry(const raft::Entry& entry, ApplyOutcome& outcome);
  void ApplyConfiguration(const raft::Entry& entry, ApplyOutcome& outcome);
  Result ApplyCommand(const Command& command, raft::Term term, ApplyOutcome& outcome);
  absl::Status RefusedByAlarm(const api::WriteRequest& request) const;
  Result Execute(const api::PutRequest& request, ApplyOutcome& outcome) {
    return KvWriter(*mvcc_, outcome.operations).Put(request);
  }
  Result Execute(const api::DeleteRangeRequest& request, ApplyOutcome& outcome) {
    return KvWriter(*mvcc_, outcome.operations).DeleteRange(request);
  }
  Result Execute(const api::TxnRequest& request, ApplyOutcome& outcome) {
    return KvWriter(*mvcc_, outcome.operations).Txn(request);
  }
  Result Execute(const api::CompactionRequest& request, ApplyOutcome& outcome);
  Result Execute(const api::LeaseGrantRequest& request, ApplyOutcome& outcome);
  Result Execute(const api::LeaseRevokeRequest& request, ApplyOutcome& outcome);
  Result Execute(const api::LeaseExpiryRequest& request, ApplyOutcome& outcome);
  Result Execute(const api::AlarmRequest& request, ApplyOutcome& outcome);
  Result Execute(const api::MemberAddRequest& request, ApplyOutcome& outcome);
  Result Execute(const api::MemberRemoveRequest& request, ApplyOutcome& outcome);
  Result Execute(const api::MemberPromoteRequest& request, ApplyOutcome& outcome);
  Result Execute(const api::MemberUpdateRequest& request, ApplyOutcome& outcome);
  Result Execute(const api::MemberPublishRequest& request, ApplyOutcome& outcome);
  Result Execute(const api::MemberBootstrapRequest& request, ApplyOutcome& outcome);
  void PutMember(api::Member member, ApplyOutcome& outcome);
  Result ShowMembers() const { return api::MembersResult{.revision = {mvcc_->revision()}, .members = Members()}; }
  void SetAlarm(const api::AlarmMember& alarm, bool active, ApplyOutcome& outcome);
  bool HasAlarm(api::AlarmType type) const;
  int64_t LogicalBytes() const;
  void Digest(DigestKind kind, uint64_t first, uint64_t second);
  void Publish();
  void Load(std::shared_ptr<Engine> engine);

  const StateMachineOptions options_;
  std::shared_ptr<Engine> engine_;  // through std::atomic_load from other threads
  std::optional<Mvcc> mvcc_;
  std::set<api::AlarmMember> alarms_;
  std::optional<storage::Members> members_;
  std::optional<raft::Entry> configuration_;
  std::shared_ptr<SharedState> shared_;
  std::shared_ptr<const View> view_;  // through std::atomic_load and std::atomic_store alone
};

ApplyOutcome Machine::Apply(std::span<const raft::Entry> turn, const WantsPrevious& wants_previous) {
  ApplyOutcome outcome;
  if (turn.empty()) return outcome;
  mvcc_->BeginTurn(wants_previous);
  for (const raft::Entry& entry : turn) {
    CHECK_EQ(entry.index.value, mvcc_->counters().applied_index + 1) << "entries to apply are not contiguous";
    ApplyEntry(entry, outcome);
  }
  outcome.events = mvcc_->EndTurn();
  Publish();
  return outcome;
}

void Machine::ApplyEntry(const raft::Entry& entry, ApplyOutcome& outcome) {
  if (entry.type == raft::EntryType::kConfiguration) {
    ApplyConfiguration(entry, outcome);
  } else if (!entry.data.empty()) {
    const absl::StatusOr<Command> command = DecodeCommand(entry.data);
    CHECK(command.ok()) << "entry " << entry.index.value << " of term " << entry.term.value << ": " << command.status();
    mvcc_->BeginEntry(SizeOf(command->body), 3 * entry.data.size() + 1024);
    const auto* expiry = std::get_if<api::LeaseExpiryRequest>(&command->body);
    outcome.answers.push_back({.request = command->request,
                               .result = ApplyCommand(*command, entry.term, outcome),
                               .kind = command->body.index(),
                               .count = expiry == nullptr ? 1 : expiry->ids.size()});
  }
  mvcc_->EndEntry(entry.index.value, entry.term.value);
}

// The configuration counts since it was appended; here it becomes known to clients, with what is said of the members.
//
// The command that asked for the change comes with its first entry, and is carried out and answered with its last one:
// a member that hears that it is removed, and whoever asked for that, may end it at once, and in between the others may
// need its vote. {1, 2} to {2}: the joint entry is committed, and 1 is switched off before 2 has the next entry.
void Machine::ApplyConfiguration(const raft::Entry& entry, ApplyOutcome& outcome) {
  const std::optional<raft::ConfigurationEntry> decoded = raft::DecodeConfigurationEntry(entry.data);
  CHECK(decoded.has_value()) << "entry " << entry.index.value << " holds no configuration";
  std::string context = decoded->context;
  if (context.empty() && configuration_.has_value()) {
    const std::optional<raft::ConfigurationEntry> before = raft::DecodeConfigurationEntry(configuration_->data);
    if (before->configuration.joint()) context = before->context;
  }
  configuration_ = entry;
  outcome.members_changed = true;
  mvcc_->batch().Put(kConfigurationRow, EncodeConfigurationRow(entry));
  mvcc_->Digest(static_cast<uint64_t>(DigestKind::kConfiguration), entry.data, entry.index.value);
  if (context.empty() || decoded->configuration.joint()) return;
  const absl::StatusOr<Command> command = DecodeCommand(context);
  CHECK(command.ok()) << "entry " << entry.index.value << ": " << command.status();
  Result result = std::visit([&](const auto& request) { return Execute(request, outcome); }, command->body);
  outcome.answers.push_back({.request = command->request, .result = std::move(result), .kind = command->body.index()});
}

// A request over the quota is applied all the same, because other members may have another quota.
Machine::Result Machine::ApplyCommand(const Command& command, raft::Term term, ApplyOutcome& outcome) {
  if (absl::Status refused = RefusedByAlarm(command.body); !refused.ok()) return refused;
  if (command.leader_term != 0 && command.leader_term != term.value) return api::ErrLeaderChanged();
  const bool fits = FitsQuota(command.body, LogicalBytes(), options_.quota_bytes);
  Result result = std::visit([&](const auto& request) { return Execute(request, outcome); }, command.body);
  if (fits || !result.ok()) return result;
  outcome.over_quota = true;
  return api::ErrNoSpace();
}

absl::Status Machine::RefusedByAlarm(const api::WriteRequest& request) const {
  if (alarms_.empty() || std::holds_alternative<api::AlarmRequest>(request)) return absl::OkStatus();
  if (HasAlarm(api::AlarmType::kCorrupt)) return api::ErrCorrupt();
  if (HasAlarm(api::AlarmType::kNoSpace) && QuotaCost(request) > 0) return api::ErrNoSpace();
  return absl::OkStatus();
}

bool Machine::HasAlarm(api::AlarmType type) const {
  for (const api::AlarmMember& alarm : alarms_) {
    if (alarm.alarm == type) return true;
  }
  return false;
}

int64_t Machine::LogicalBytes() const {
  return mvcc_->counters().size + kLeaseBytes * static_cast<int64_t>(mvcc_->leases().ttls().size());
}

Machine::Result Machine::Execute(const api::CompactionRequest& request, ApplyOutcome& outcome) {
  if (absl::Status status = Compact(request.revision.value, *mvcc_); !status.ok()) return status;
  Digest(DigestKind::kCompaction, static_cast<uint64_t>(request.revision.value), 0);
  outcome.compacted = true;
  outcome.operations.ranges += 1;  // etcd reads its revision so
  return api::CompactionResult{.revision = {mvcc_->revision()}};
}

Machine::Result Machine::Execute(const api::LeaseGrantRequest& request, ApplyOutcome& outcome) {
  if (request.id.value == 0) return api::ErrLeaseNotFound();
  if (request.ttl > api::kLeaseTtlSecondsMax) return api::ErrLeaseTtlTooLarge();
  if (mvcc_->leases().Contains(request.id.value)) return api::ErrLeaseExists();
  mvcc_->leases().Grant(request.id.value, request.ttl);
  Digest(DigestKind::kGrant, static_cast<uint64_t>(request.id.value), static_cast<uint64_t>(request.ttl));
  outcome.leases.push_back({.kind = LeaseChange::Kind::kGranted, .id = request.id, .ttl = request.ttl});
  return api::LeaseGrantResult{.revision = {mvcc_->revision()}, .id = request.id, .ttl = request.ttl};
}

Machine::Result Machine::Execute(const api::LeaseRevokeRequest& request, ApplyOutcome& outcome) {
  Result result = KvWriter(*mvcc_, outcome.operations).Revoke(request.id);
  if (!result.ok()) return result;
  Digest(DigestKind::kRevoke, static_cast<uint64_t>(request.id.value), 0);
  outcome.leases.push_back({.kind = LeaseChange::Kind::kRevoked, .id = request.id});
  return result;
}

Machine::Result Machine::Execute(const api::LeaseExpiryRequest& request, ApplyOutcome& outcome) {
  for (const api::LeaseId id : request.ids) {
    const Result revoked = Execute(api::LeaseRevokeRequest{.id = id}, outcome);
    CHECK(revoked.ok() || revoked.status() == api::ErrLeaseNotFound()) << revoked.status();
    mvcc_->EndRevision();
  }
  return api::LeaseExpiryResult{.revision = {mvcc_->revision()}};
}

// As etcd: an activation answers the alarm, active before or not; a deactivation answers it only if it was active.
Machine::Result Machine::Execute(const api::AlarmRequest& request, ApplyOutcome& outcome) {
  api::AlarmResult result{.revision = {mvcc_->revision()}};
  const api::AlarmMember alarm{.member_id = request.member_id, .alarm = request.alarm};
  switch (request.action) {
    case api::AlarmAction::kGet:
      for (const api::AlarmMember& active : alarms_) {
        if (request.alarm == api::AlarmType::kNone || active.alarm == request.alarm) result.alarms.push_back(active);
      }
      break;
    case api::AlarmAction::kActivate:
      if (request.alarm == api::AlarmType::kNone) break;
      SetAlarm(alarm, true, outcome);
      result.alarms.push_back(alarm);
      break;
    case api::AlarmAction::kDeactivate:
      if (!alarms_.contains(alarm)) break;
      SetAlarm(alarm, false, outcome);
      result.alarms.push_back(alarm);
      break;
  }
  return result;
}

std::vector<api::Member> Machine::Members() const {
  std::vector<api::Member> members;
  std::optional<raft::ConfigurationEntry> configuration;
  if (configuration_.has_value()) configuration = raft::DecodeConfigurationEntry(configuration_->data);
  for (const auto& [id, member] : members_->all()) {
    members.push_back(member);
    members.back().is_learner =
        !member.awaits_vote && configuration.has_value() && !raft::IsVoter(configuration->configuration, {id});
  }
  return members;
}

void Machine::PutMember(api::Member member, ApplyOutcome& outcome) {
  member.is_learner = false;  // the configuration says it
  mvcc_->Digest(static_cast<uint64_t>(DigestKind::kMember), EncodeMemberRow(member), member.id);
  members_->Put(std::move(member), mvcc_->batch());
  outcome.members_changed = true;
}

// The checks of these three were made by the leader that proposed them, when nothing else was under way.
Machine::Result Machine::Execute(const api::MemberAddRequest& request, ApplyOutcome& outcome) {
  std::optional<raft::ConfigurationEntry> with;
  if (configuration_.has_value()) with = raft::DecodeConfigurationEntry(configuration_->data);
  const bool learns = with.has_value() && !raft::IsVoter(with->configuration, {request.id});
  PutMember({.id = request.id, .peer_urls = request.peer_urls, .awaits_vote = learns && !request.is_learner}, outcome);
  return ShowMembers();
}

Machine::Result Machine::Execute(const api::MemberRemoveRequest& request, ApplyOutcome& outcome) {
  mvcc_->Digest(static_cast<uint64_t>(DigestKind::kMemberRemoved), {}, request.id);
  members_->Remove(request.id, mvcc_->batch());
  outcome.members_changed = true;
  return ShowMembers();
}

Machine::Result Machine::Execute(const api::MemberPromoteRequest& request, ApplyOutcome& outcome) {
  const auto found = members_->all().find(request.id);
  if (found != members_->all().end() && found->second.awaits_vote) {
    api::Member member = found->second;
    member.awaits_vote = false;
    PutMember(std::move(member), outcome);
  }
  return ShowMembers();
}

Machine::Result Machine::Execute(const api::MemberUpdateRequest& request, ApplyOutcome& outcome) {
  const auto found = members_->all().find(request.id);
  if (found == members_->all().end()) return api::ErrMemberNotFound();
  for (const auto& [id, other] : members_->all()) {
    for (const std::string& url : request.peer_urls) {
      const bool taken = std::find(other.peer_urls.begin(), other.peer_urls.end(), url) != other.peer_urls.end();
      if (id != request.id && taken) return api::ErrPeerUrlExists();
    }
  }
  api::Member member = found->second;
  member.peer_urls = request.peer_urls;
  PutMember(std::move(member), outcome);
  return ShowMembers();
}

// Of a member that was removed meanwhile nothing is kept. The first incarnation that is published stays: whoever
// publishes another one has lost the folder in which it is recorded for what it has voted.
Machine::Result Machine::Execute(const api::MemberPublishRequest& request, ApplyOutcome& outcome) {
  const auto found = members_->all().find(request.id);
  if (found == members_->all().end()) return api::ErrMemberNotFound();
  api::Member member = found->second;
  if (member.incarnation != 0 && request.incarnation != 0 && member.incarnation != request.incarnation) {
    return absl::FailedPreconditionError("the member was started before, with another data folder");
  }
  if (request.incarnation != 0) member.incarnation = request.incarnation;
  member.name = request.name;
  member.client_urls = request.client_urls;
  PutMember(std::move(member), outcome);
  return ShowMembers();
}

Machine::Result Machine::Execute(const api::MemberBootstrapRequest& request, ApplyOutcome& outcome) {
  for (const api::Member& member : request.members) PutMember(member, outcome);
  return ShowMembers();
}

void Machine::SetAlarm(const api::AlarmMember& alarm, bool active, ApplyOutcome& outcome) {
  const bool changed = active ? alarms_.insert(alarm).second : alarms_.erase(alarm) > 0;
  if (!changed) return;
  const std::string row = AlarmRow(alarm.member_id, static_cast<uint8_t>(alarm.alarm));
  if (active) {
    mvcc_->batch().Put(row, "");
  } else {
    mvcc_->batch().Delete(row);
  }
  Digest(active ? DigestKind::kAlarmOn : DigestKind::kAlarmOff, alarm.member_id, static_cast<uint64_t>(alarm.alarm));
  outcome.alarms_changed = true;
}

void Machine::Digest(DigestKind kind, uint64_t first, uint64_t second) {
  mvcc_->Digest(static_cast<uint64_t>(kind), {}, first);
  mvcc_->Digest(static_cast<uint64_t>(kind), {}, second);
}

// The new view first: whoever asks for the current revision must not meet a compaction that its view does not reach.
void Machine::Publish() {
  std::shared_ptr<const View> next =
      std::make_shared<const StoreView>(engine_, shared_, mvcc_->counts().Publish(), mvcc_->counters(), LogicalBytes());
  std::atomic_store(&view_, std::move(next));
  shared_->compacted = mvcc_->counters().compacted;
}

std::vector<LeaseInfo> Machine::Leases() const {
  std::vector<LeaseInfo> leases;
  for (const auto& [id, ttl] : mvcc_->leases().ttls()) leases.push_back({.id = {id}, .ttl = ttl});
  return leases;
}

std::optional<LeaseInfo> Machine::FindLease(api::LeaseId id) const {
  const auto found = mvcc_->leases().ttls().find(id.value);
  if (found == mvcc_->leases().ttls().end()) return std::nullopt;
  return LeaseInfo{.id = id, .ttl = found->second};
}

std::optional<PurgePlan> Machine::PlanPurge(const View& view, size_t events_max) const {
  const auto* store_view = dynamic_cast<const StoreView*>(&view);
  CHECK(store_view != nullptr) << "a view of another store";
  return MakePurgePlan(store_view->engine(), view.compacted().value, events_max);
}

void Machine::RunPurge(const PurgePlan& plan) {
  if (plan.generation != engine_->generation()) return;
  CarryOut(plan, *engine_, mvcc_->counts());
}

absl::StatusOr<raft::Index> Machine::Flush() {
  const std::shared_ptr<Engine> engine = std::atomic_load(&engine_);
  if (absl::Status status = engine->Flush(); !status.ok()) return status;
  return PersistedApplied();
}

absl::StatusOr<raft::Index> Machine::PersistedApplied() const {
  const std::optional<std::string> row = std::atomic_load(&engine_)->GetPersisted(kCountersRow);
  return raft::Index{row.has_value() ? DecodeCounters(*row).applied_index : 0};
}

absl::StatusOr<SnapshotFacts> Machine::Checkpoint(const std::string& folder) {
  absl::StatusOr<SnapshotFacts> facts = ReadSnapshotFacts(*engine_);
  if (!facts.ok()) return facts;
  if (absl::Status made = engine_->Checkpoint(folder); !made.ok()) return made;
  return facts;
}

void Machine::Load(std::shared_ptr<Engine> engine) {
  mvcc_.reset();  // it refers to the engine
  std::atomic_store(&engine_, std::move(engine));
  mvcc_.emplace(*engine_, options_);
  alarms_ = LoadAlarms(*engine_);
  members_.emplace(*engine_);
  configuration_ = LoadConfiguration(*engine_);
  shared_ = std::make_shared<SharedState>();
  shared_->compacted = mvcc_->counters().compacted;  // before anybody sees the view
  Publish();
}

}  // namespace

absl::StatusOr<std::unique_ptr<StateMachine>> StateMachine::Open(std::shared_ptr<Engine> engine,
                                                                 StateMachineOptions options) {
  return std::make_unique<Machine>(std::move(engine), options);
}

}  // namespace regent::storage
