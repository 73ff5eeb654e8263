#include "tests/sim/mutants.h"

#include <utility>

namespace regent::sim {
namespace {

using server::NodeMutants;
using storage::Event;
using storage::EventBatch;

struct NodeMutantName {
  std::string_view name;
  bool NodeMutants::*mutant;
};

constexpr NodeMutantName kNodeMutants[] = {
    {"acknowledge_before_persisted", &NodeMutants::acknowledge_before_persisted},
    {"acknowledge_after_failed_write", &NodeMutants::acknowledge_after_failed_write},
    {"progress_ahead_of_events", &NodeMutants::progress_ahead_of_events},
    {"lease_expires_early", &NodeMutants::lease_expires_early},
    {"skip_event_when_falling_behind", &NodeMutants::skip_event_when_falling_behind},
    {"stale_linearizable_read", &NodeMutants::stale_linearizable_read},
    {"release_unflushed_log", &NodeMutants::release_unflushed_log},
    {"no_progress_when_idle", &NodeMutants::no_progress_when_idle},
    {"skip_compacted_events", &NodeMutants::skip_compacted_events},
    {"repeat_revision_on_resume", &NodeMutants::repeat_revision_on_resume},
    {"renew_ended_lease", &NodeMutants::renew_ended_lease},
};

constexpr NodeMutantName kNodeMutantsOfClusters[] = {
    {"forward_twice", &NodeMutants::forward_twice},
    {"keep_deadlines_when_leading", &NodeMutants::keep_deadlines_when_leading},
    {"snapshot_skips_events", &NodeMutants::snapshot_skips_events},
    {"snapshot_forgets_starts", &NodeMutants::snapshot_forgets_starts},
    {"expire_when_deposed", &NodeMutants::expire_when_deposed},
    {"wait_for_ever", &NodeMutants::wait_for_ever},
};

struct CoreMutantName {
  std::string_view name;
  bool raft::CoreMutants::*mutant;
};

// Those that a few dozen seeds find; the others need the rarer states that the explorer of the core goes through
// (tests/raft).
constexpr CoreMutantName kCoreMutants[] = {
    {"read_before_own_term_commit", &raft::CoreMutants::read_before_own_term_commit},
    {"read_without_quorum", &raft::CoreMutants::read_without_quorum},
    {"acknowledge_before_persist", &raft::CoreMutants::acknowledge_before_persist},
    {"vote_twice", &raft::CoreMutants::vote_twice},
    {"vote_for_shorter_log", &raft::CoreMutants::vote_for_shorter_log},
    {"count_own_unpersisted_entries", &raft::CoreMutants::count_own_unpersisted_entries},
    {"persisted_without_term_check", &raft::CoreMutants::persisted_without_term_check},
    {"truncate_on_every_append", &raft::CoreMutants::truncate_on_every_append},
};

constexpr std::string_view kSecondLifeHeard = "second_life_heard";

struct StoreMutantName {
  std::string_view name;
  bool StoreMutants::*mutant;
};

constexpr StoreMutantName kStoreMutants[] = {
    {"ranges_skipped_in_replay", &StoreMutants::ranges_skipped_in_replay},
    {"tombstone_lost_at_compacted", &StoreMutants::tombstone_lost_at_compacted},
    {"event_of_last_turn_again", &StoreMutants::event_of_last_turn_again},
};

// Nobody compares a single node's hashes with another's.
constexpr StoreMutantName kStoreMutantsOfClusters[] = {
    {"hash_of_revision_before", &StoreMutants::hash_of_revision_before},
};

class SpoiledView final : public storage::View {
 public:
  SpoiledView(std::shared_ptr<const storage::View> view, StoreMutants mutants)
      : view_(std::move(view)), mutants_(mutants) {}

  const storage::View& inner() const { return *view_; }

  api::Revision revision() const override { return view_->revision(); }
  api::Revision compacted() const override { return view_->compacted(); }
  int64_t logical_size() const override { return view_->logical_size(); }
  int64_t logical_size_in_use() const override { return view_->logical_size_in_use(); }
  uint64_t applied_index() const override { return view_->applied_index(); }
  absl::StatusOr<api::RangeResult> Range(const api::RangeRequest& request) const override {
    return view_->Range(request);
  }
  absl::StatusOr<api::RangeSlice> Slice(const api::RangeRequest& request, size_t bytes_max) const override {
    return view_->Slice(request, bytes_max);
  }
  absl::StatusOr<api::HashKvResult> HashKv(int64_t at, const std::atomic<bool>& stop) const override {
    const int64_t hashed = at == 0 ? view_->revision().value : at;
    if (!mutants_.hash_of_revision_before || hashed - 1 <= view_->compacted().value) return view_->HashKv(at, stop);
    absl::StatusOr<api::HashKvResult> result = view_->HashKv(hashed - 1, stop);
    if (result.ok()) result->hash_revision = hashed;
    return result;
  }
  absl::StatusOr<api::TxnResult> ReadTxn(const api::TxnRequest& request) const override {
    return view_->ReadTxn(request);
  }

  absl::StatusOr<storage::EventSlice> Events(std::string_view key, std::string_view range_end, api::Revision from,
                                             bool previous, size_t events_max) const override {
    absl::StatusOr<storage::EventSlice> slice = view_->Events(key, range_end, from, previous, events_max);
    if (!mutants_.tombstone_lost_at_compacted || !slice.ok() || slice->events == nullptr) return slice;
    auto fewer = std::make_shared<EventBatch>(*slice->events);
    std::erase_if(fewer->events, [compacted = view_->compacted()](const Event& event) {
      return event.type == Event::Type::kDelete && event.revision == compacted;
    });
    slice->events = std::move(fewer);
    return slice;
  }

 private:
  const std::shared_ptr<const storage::View> view_;
  const StoreMutants mutants_;
};

class SpoiledStateMachine final : public storage::StateMachine {
 public:
  SpoiledStateMachine(std::unique_ptr<StateMachine> machine, StoreMutants mutants, raft::Index known)
      : machine_(std::move(machine)), mutants_(mutants), known_(known) {}

  storage::ApplyOutcome Apply(std::span<const raft::Entry> turn, const storage::WantsPrevious& wants) override {
    std::vector<raft::Entry> entries(turn.begin(), turn.end());
    for (raft::Entry& entry : entries) {
      if (mutants_.ranges_skipped_in_replay && entry.index <= known_) SkipRanges(entry);
    }
    storage::ApplyOutcome outcome = machine_->Apply(entries, wants);
    if (mutants_.event_of_last_turn_again) outcome.events = WithEventOfLastTurn(outcome.events);
    return outcome;
  }

  raft::Index applied() const override { return machine_->applied(); }
  raft::Term applied_term() const override { return machine_->applied_term(); }
  std::shared_ptr<const storage::View> view() const override {
    const bool spoiled = mutants_.tombstone_lost_at_compacted || mutants_.hash_of_revision_before;
    return spoiled ? std::make_shared<SpoiledView>(machine_->view(), mutants_) : machine_->view();
  }
  std::vector<storage::LeaseInfo> Leases() const override { return machine_->Leases(); }
  std::optional<storage::LeaseInfo> FindLease(api::LeaseId id) const override { return machine_->FindLease(id); }
  std::vector<std::string> LeaseKeys(api::LeaseId id) const override { return machine_->LeaseKeys(id); }
  std::vector<api::AlarmMember> Alarms() const override { return machine_->Alarms(); }
  std::vector<api::Member> Members() const override { return machine_->Members(); }
  std::set<uint64_t> RemovedMembers() const override { return machine_->RemovedMembers(); }
  absl::StatusOr<storage::SnapshotFacts> Checkpoint(const std::string& folder) override {
    return machine_->Checkpoint(folder);
  }
  void Replace(std::shared_ptr<storage::Engine> engine) override { machine_->Replace(std::move(engine)); }
  std::optional<storage::PurgePlan> PlanPurge(const storage::View& view, size_t events_max) const override {
    const auto* spoiled = dynamic_cast<const SpoiledView*>(&view);
    return machine_->PlanPurge(spoiled != nullptr ? spoiled->inner() : view, events_max);
  }
  void RunPurge(const storage::PurgePlan& plan) override { machine_->RunPurge(plan); }
  std::optional<raft::Entry> configuration() const override { return machine_->configuration(); }
  absl::StatusOr<raft::Index> Flush() override { return machine_->Flush(); }
  absl::StatusOr<raft::Index> PersistedApplied() const override { return machine_->PersistedApplied(); }
  uint64_t digest() const override { return machine_->digest(); }

 private:
  static void SkipRanges(raft::Entry& entry) {
    if (entry.type != raft::EntryType::kNormal || entry.data.empty()) return;
    storage::Command command = *storage::DecodeCommand(entry.data.view());
    auto* txn = std::get_if<api::TxnRequest>(&command.body);
    if (txn == nullptr) return;
    *txn = WithoutRanges(*txn);
    entry.data = raft::Bytes(storage::EncodeCommand(command));
  }

  static api::TxnRequest WithoutRanges(const api::TxnRequest& txn) {
    api::TxnRequest stripped = txn;
    for (std::vector<api::RequestOp>* branch : {&stripped.success, &stripped.failure}) {
      std::erase_if(*branch, [](const api::RequestOp& op) { return std::holds_alternative<api::RangeRequest>(op); });
      for (api::RequestOp& op : *branch) {
        if (const auto* nested = std::get_if<std::shared_ptr<const api::TxnRequest>>(&op))
          op = std::make_shared<const api::TxnRequest>(WithoutRanges(**nested));
      }
    }
    return stripped;
  }

  std::shared_ptr<const EventBatch> WithEventOfLastTurn(std::shared_ptr<const EventBatch> events) {
    if (events == nullptr || events->events.empty()) return events;
    auto more = std::make_shared<EventBatch>(*events);
    if (last_.has_value()) more->events.insert(more->events.begin(), *last_);
    last_ = events->events.back();
    return more;
  }

  const std::unique_ptr<StateMachine> machine_;
  const StoreMutants mutants_;
  const raft::Index known_;
  std::optional<Event> last_;
};

}  // namespace

const std::vector<std::string_view>& MutantNames() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for (const NodeMutantName& mutant : kNodeMutants) all.push_back(mutant.name);
    for (const StoreMutantName& mutant : kStoreMutants) all.push_back(mutant.name);
    return all;
  }();
  return names;
}

const std::vector<std::string_view>& ClusterMutantNames() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for (const NodeMutantName& mutant : kNodeMutantsOfClusters) all.push_back(mutant.name);
    for (const CoreMutantName& mutant : kCoreMutants) all.push_back(mutant.name);
    for (const StoreMutantName& mutant : kStoreMutantsOfClusters) all.push_back(mutant.name);
    all.push_back(kSecondLifeHeard);
    return all;
  }();
  return names;
}

bool Plant(std::string_view name, Mutants* mutants) {
  for (const NodeMutantName& mutant : kNodeMutantsOfClusters) {
    if (mutant.name == name) return mutants->node.*mutant.mutant = true;
  }
  for (const CoreMutantName& mutant : kCoreMutants) {
    if (mutant.name == name) return mutants->node.core.*mutant.mutant = true;
  }
  for (const NodeMutantName& mutant : kNodeMutants) {
    if (mutant.name == name) return mutants->node.*mutant.mutant = true;
  }
  for (const StoreMutantName& mutant : kStoreMutants) {
    if (mutant.name == name) return mutants->store.*mutant.mutant = true;
  }
  for (const StoreMutantName& mutant : kStoreMutantsOfClusters) {
    if (mutant.name == name) return mutants->store.*mutant.mutant = true;
  }
  return name == kSecondLifeHeard && (mutants->second_life_heard = true);
}

std::unique_ptr<storage::StateMachine> Spoil(std::unique_ptr<storage::StateMachine> machine, StoreMutants mutants,
                                             raft::Index known) {
  const bool spoiled = mutants.ranges_skipped_in_replay || mutants.tombstone_lost_at_compacted ||
                       mutants.event_of_last_turn_again || mutants.hash_of_revision_before;
  if (!spoiled) return machine;
  return std::make_unique<SpoiledStateMachine>(std::move(machine), mutants, known);
}

}  // namespace regent::sim
