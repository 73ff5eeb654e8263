#include "tests/model/mutants.h"

#include <set>
#include <utility>

namespace regent::model {
namespace {

using storage::Event;
using storage::EventBatch;

class SpoiledView : public storage::View {
 public:
  // `buffer`: an older view that ranges of the current revision are read from; null: none.
  SpoiledView(std::shared_ptr<const storage::View> view, Mutant mutant, int64_t size_added,
              std::shared_ptr<const storage::View> buffer)
      : view_(std::move(view)), mutant_(mutant), size_added_(size_added), buffer_(std::move(buffer)) {}

  const storage::View& inner() const { return *view_; }

  api::Revision revision() const override { return view_->revision(); }
  api::Revision compacted() const override { return view_->compacted(); }
  int64_t logical_size() const override { return view_->logical_size() + size_added_; }
  int64_t logical_size_in_use() const override { return view_->logical_size_in_use(); }
  uint64_t applied_index() const override { return view_->applied_index(); }

  absl::StatusOr<api::RangeResult> Range(const api::RangeRequest& request) const override {
    const bool buffered = buffer_ != nullptr && request.revision.value <= 0;
    absl::StatusOr<api::RangeResult> result = (buffered ? buffer_ : view_)->Range(request);
    if (!result.ok()) return result;
    result->revision = view_->revision();
    const bool old = request.revision.value > 0 && request.revision.value < view_->revision().value;
    if (mutant_ == Mutant::kCountAtOldRevision && old && result->count > 0) ++result->count;
    if (mutant_ == Mutant::kMoreAtExactLimit && result->kvs.count() > 0 && result->kvs.count() == request.limit)
      result->more = true;
    return result;
  }

  absl::StatusOr<api::TxnResult> ReadTxn(const api::TxnRequest& request) const override {
    return view_->ReadTxn(request);
  }
  absl::StatusOr<api::RangeSlice> Slice(const api::RangeRequest& request, size_t bytes_max) const override {
    return view_->Slice(request, bytes_max);
  }
  absl::StatusOr<api::HashKvResult> HashKv(int64_t at, const std::atomic<bool>& stop) const override {
    return view_->HashKv(at, stop);
  }

  absl::StatusOr<storage::EventSlice> Events(std::string_view key, std::string_view range_end, api::Revision from,
                                             bool previous, size_t events_max) const override {
    absl::StatusOr<storage::EventSlice> slice = view_->Events(key, range_end, from, previous, events_max);
    const bool drops = mutant_ == Mutant::kDroppedEvent || mutant_ == Mutant::kTombstoneCompacted;
    if (!drops || !slice.ok() || slice->events == nullptr) return slice;
    auto fewer = std::make_shared<EventBatch>(*slice->events);
    if (mutant_ == Mutant::kTombstoneCompacted) {
      std::erase_if(fewer->events, [compacted = view_->compacted()](const Event& event) {
        return event.type == Event::Type::kDelete && event.revision == compacted;
      });
    } else if (fewer->events.size() >= 3) {
      fewer->events.erase(fewer->events.begin() + 1);
    }
    slice->events = std::move(fewer);
    return slice;
  }

 private:
  std::shared_ptr<const storage::View> view_;
  Mutant mutant_;
  int64_t size_added_;
  std::shared_ptr<const storage::View> buffer_;
};

// The command of an entry, changed; an entry without one stays as it is.
template <typename Body, typename Change>
void ChangeCommand(raft::Entry& entry, Change change) {
  if (entry.type != raft::EntryType::kNormal || entry.data.empty()) return;
  storage::Command command = *storage::DecodeCommand(entry.data);
  auto* body = std::get_if<Body>(&command.body);
  if (body == nullptr) return;
  change(*body);
  entry.data = storage::EncodeCommand(command);
}

void DropLease(api::LeaseExpiryRequest& expiry) {
  if (!expiry.ids.empty()) expiry.ids.pop_back();
}

void ChangeNegativeId(api::LeaseGrantRequest& grant) {
  if (grant.id.value < 0) grant.id.value = 1'000'000;
}

void DropRanges(api::TxnRequest& txn) {
  for (std::vector<api::RequestOp>* branch : {&txn.success, &txn.failure}) {
    std::erase_if(*branch, [](const api::RequestOp& op) { return std::holds_alternative<api::RangeRequest>(op); });
    for (api::RequestOp& op : *branch) {
      if (auto* nested = std::get_if<std::shared_ptr<const api::TxnRequest>>(&op)) {
        api::TxnRequest stripped = **nested;
        DropRanges(stripped);
        *nested = std::make_shared<const api::TxnRequest>(std::move(stripped));
      }
    }
  }
}

// Some branch puts a key and then deletes it.
bool PutsAndDeletes(api::TxnRequest& txn) {
  for (const std::vector<api::RequestOp>* branch : {&txn.success, &txn.failure}) {
    std::set<std::string> put;
    for (const api::RequestOp& op : *branch) {
      if (const auto* request = std::get_if<api::PutRequest>(&op)) put.insert(request->key);
      const auto* deletion = std::get_if<api::DeleteRangeRequest>(&op);
      if (deletion != nullptr && put.contains(deletion->key)) return true;
    }
  }
  return false;
}

class SpoiledStateMachine : public storage::StateMachine {
 public:
  SpoiledStateMachine(std::unique_ptr<StateMachine> machine, std::shared_ptr<storage::Engine> engine, Mutant mutant,
                      Start start)
      : machine_(std::move(machine)),
        engine_(std::move(engine)),
        mutant_(mutant),
        start_(start),
        lose_next_(mutant == Mutant::kWriteLostAtRestart && start == Start::kAfterCrash),
        lose_alarms_(mutant == Mutant::kAlarmLostAtRestart && start == Start::kAfterCrash) {}

  storage::ApplyOutcome Apply(std::span<const raft::Entry> turn,
                              const storage::WantsPrevious& wants_previous) override {
    std::vector<raft::Entry> entries(turn.begin(), turn.end());
    if (lose_next_ && !entries.empty()) {
      entries.back() =
          raft::Entry{.index = entries.back().index, .term = entries.back().term};  // no data: it does nothing
      lose_next_ = false;
    }
    for (raft::Entry& entry : entries) SpoilEntry(entry);
    buffer_ = mutant_ == Mutant::kStaleReadBuffer && AnyPutsAndDeletes(entries) ? machine_->view() : nullptr;
    const int64_t size = machine_->view()->logical_size();
    storage::ApplyOutcome outcome = machine_->Apply(entries, wants_previous);
    if (mutant_ == Mutant::kSizeKeepsDeadBytes && outcome.compacted) {
      size_added_ += std::max<int64_t>(0, size - machine_->view()->logical_size());
    }
    if (mutant_ == Mutant::kQuotaIgnored) outcome.over_quota = false;
    if (mutant_ == Mutant::kWrongPrevious && outcome.events != nullptr)
      outcome.events = WithWrongPrevious(*outcome.events);
    return outcome;
  }

  raft::Index applied() const override { return machine_->applied(); }
  raft::Term applied_term() const override { return machine_->applied_term(); }
  std::shared_ptr<const storage::View> view() const override {
    return std::make_shared<SpoiledView>(machine_->view(), mutant_, size_added_, buffer_);
  }
  std::vector<storage::LeaseInfo> Leases() const override { return machine_->Leases(); }
  std::optional<storage::LeaseInfo> FindLease(api::LeaseId id) const override { return machine_->FindLease(id); }
  std::vector<std::string> LeaseKeys(api::LeaseId id) const override {
    std::vector<std::string> keys = machine_->LeaseKeys(id);
    if (mutant_ == Mutant::kLeaseForgetsKey && keys.size() > 2) keys.pop_back();
    return keys;
  }
  std::vector<api::AlarmMember> Alarms() const override {
    return lose_alarms_ ? std::vector<api::AlarmMember>() : machine_->Alarms();
  }
  std::vector<api::Member> Members() const override { return machine_->Members(); }
  std::set<uint64_t> RemovedMembers() const override { return machine_->RemovedMembers(); }
  absl::StatusOr<storage::SnapshotFacts> Checkpoint(const std::string& folder) override {
    return machine_->Checkpoint(folder);
  }
  void Replace(std::shared_ptr<storage::Engine> engine) override { machine_->Replace(std::move(engine)); }

  std::optional<storage::PurgePlan> PlanPurge(const storage::View& view, size_t events_max) const override {
    // Whoever has this state machine has its views.
    return machine_->PlanPurge(static_cast<const SpoiledView&>(view).inner(), events_max);
  }
  void RunPurge(const storage::PurgePlan& plan) override {
    storage::PurgePlan spoiled = plan;
    if (mutant_ == Mutant::kPurgeTakesLiveRow && !plan.rows.empty()) {
      const std::unique_ptr<storage::RowIterator> rows = engine_->Iterate("w", storage::Scope::kRange);
      rows->Seek("v");
      if (rows->Valid()) spoiled.rows.emplace_back(rows->row());
    }
    machine_->RunPurge(spoiled);
  }

  std::optional<raft::Entry> configuration() const override { return machine_->configuration(); }
  absl::StatusOr<raft::Index> Flush() override { return machine_->Flush(); }
  absl::StatusOr<raft::Index> PersistedApplied() const override { return machine_->PersistedApplied(); }
  uint64_t digest() const override { return machine_->digest(); }

 private:
  static std::shared_ptr<const EventBatch> WithWrongPrevious(const EventBatch& events) {
    auto spoiled = std::make_shared<EventBatch>(events);
    for (Event& event : spoiled->events) {
      if (event.previous && event.type == Event::Type::kPut) event.previous = event.rest;
    }
    return spoiled;
  }

  void SpoilEntry(raft::Entry& entry) const {
    if (mutant_ == Mutant::kExpiryDropsLease) ChangeCommand<api::LeaseExpiryRequest>(entry, DropLease);
    if (start_ == Start::kFresh) return;
    if (mutant_ == Mutant::kNegativeLeaseId) ChangeCommand<api::LeaseGrantRequest>(entry, ChangeNegativeId);
    if (mutant_ == Mutant::kRangesSkipped) ChangeCommand<api::TxnRequest>(entry, DropRanges);
  }

  static bool AnyPutsAndDeletes(std::vector<raft::Entry> entries) {
    bool any = false;
    for (raft::Entry& entry : entries) {
      ChangeCommand<api::TxnRequest>(entry, [&any](api::TxnRequest& txn) { any = any || PutsAndDeletes(txn); });
    }
    return any;
  }

  std::unique_ptr<StateMachine> machine_;
  std::shared_ptr<storage::Engine> engine_;
  Mutant mutant_;
  const Start start_;
  std::shared_ptr<const storage::View> buffer_;
  bool lose_next_;
  bool lose_alarms_;
  int64_t size_added_ = 0;
};

}  // namespace

const std::vector<MutantName>& AllMutants() {
  static const std::vector<MutantName> all = {
      {Mutant::kDroppedEvent, "dropped-event"},
      {Mutant::kCountAtOldRevision, "count-at-old-revision"},
      {Mutant::kWrongPrevious, "wrong-previous"},
      {Mutant::kWriteLostAtRestart, "write-lost-at-restart"},
      {Mutant::kLeaseForgetsKey, "lease-forgets-key"},
      {Mutant::kPurgeTakesLiveRow, "purge-takes-live-row"},
      {Mutant::kSizeKeepsDeadBytes, "size-keeps-dead-bytes"},
      {Mutant::kMoreAtExactLimit, "more-at-exact-limit"},
      {Mutant::kAlarmLostAtRestart, "alarm-lost-at-restart"},
      {Mutant::kQuotaIgnored, "quota-ignored"},
      {Mutant::kExpiryDropsLease, "expiry-drops-lease"},
      {Mutant::kNegativeLeaseId, "negative-lease-id"},
      {Mutant::kTombstoneCompacted, "tombstone-compacted"},
      {Mutant::kStaleReadBuffer, "stale-read-buffer"},
      {Mutant::kRangesSkipped, "ranges-skipped"},
  };
  return all;
}

std::optional<Mutant> FindMutant(std::string_view name) {
  for (const MutantName& entry : AllMutants()) {
    if (entry.name == name) return entry.mutant;
  }
  return std::nullopt;
}

std::unique_ptr<storage::StateMachine> Spoil(std::unique_ptr<storage::StateMachine> machine,
                                             std::shared_ptr<storage::Engine> engine, Mutant mutant, Start start) {
  if (mutant == Mutant::kNone) return machine;
  return std::make_unique<SpoiledStateMachine>(std::move(machine), std::move(engine), mutant, start);
}

}  // namespace regent::model
