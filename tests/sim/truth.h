// What really happened, learned from the entries that the node applies: the log as it must stay for ever, a second
// state machine that replays it, every event, every lease. The checkers compare what clients are told with it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "storage/memory_engine.h"
#include "storage/state_machine.h"
#include "tests/sim/scheduler.h"

namespace regent::sim {

// The first broken promise; the run ends with it.
class Verdict {
 public:
  void Broken(const std::string& what) {
    if (!broken_.has_value()) broken_ = what;
  }
  bool broken() const { return broken_.has_value(); }
  std::string what() const { return broken_.value_or(""); }

 private:
  std::optional<std::string> broken_;
};

struct LeaseTruth {
  int64_t ttl = 0;
  std::optional<MonotonicTime> revoked;
};

class Truth {
 public:
  explicit Truth(Verdict& verdict);

  // Before the node applies `turn`. An entry seen before must be the same; new ones go to the replay.
  void OnApply(std::span<const raft::Entry> turn, MonotonicTime now);
  // After the node has applied: its digest and revision are those of the replay at that index.
  // Another entry was applied in its place.
  bool Contradicts(const raft::Entry& entry) const {
    return entry.index.value <= entries_.size() && !(entries_[entry.index.value - 1] == entry);
  }
  void OnApplied(raft::Index index, uint64_t digest, api::Revision revision);

  api::Revision revision() const { return {revision_}; }
  api::Revision compacted() const { return replay_->view()->compacted(); }
  const std::vector<storage::Event>& events() const { return events_; }  // all, with their previous values
  // The position of the first event at or above `revision`.
  size_t Position(api::Revision revision) const;
  const std::map<api::LeaseId, LeaseTruth>& leases() const { return leases_; }
  const std::vector<api::LeaseId>& ended_leases() const { return ended_leases_; }  // in the order of their ends
  const storage::StateMachine& replay() const { return *replay_; }

  // The encoded keys and values of [key, range_end) at `revision`, and how many.
  std::pair<std::string, int64_t> At(const std::string& key, const std::string& range_end,
                                     api::Revision revision) const;

  // An event of `key` with this value (a put) at `revision`.
  bool HasPut(api::Revision revision, const std::string& key, const std::string& value) const;
  int64_t DeletesAt(api::Revision revision) const;
  api::Revision last_delete() const { return last_delete_; }  // 0: none
  // The put of this value must never happen: its caller was told that it failed.
  void MustNotHappen(const std::string& value);

 private:
  struct Version {
    api::Revision revision;
    std::optional<std::string> rest;  // nullopt: deleted
  };

  void Record(const storage::EventBatch& batch);

  Verdict& verdict_;
  std::shared_ptr<storage::MemoryEngine> engine_;
  std::unique_ptr<storage::StateMachine> replay_;
  std::vector<raft::Entry> entries_;  // [i] has index i + 1
  std::vector<uint64_t> digests_;     // after each
  std::vector<int64_t> revisions_;    // after each
  int64_t revision_ = 1;
  api::Revision last_delete_;
  std::vector<storage::Event> events_;
  std::map<std::string, std::vector<Version>> versions_;
  std::map<api::LeaseId, LeaseTruth> leases_;
  std::vector<api::LeaseId> ended_leases_;
  std::map<std::string, api::Revision> values_;  // of puts, which are unique
  std::set<std::string> failed_values_;
};

// The node's state machine, watched.
class WatchedStateMachine final : public storage::StateMachine {
 public:
  WatchedStateMachine(std::unique_ptr<storage::StateMachine> real, Truth& truth, const Scheduler& clock)
      : real_(std::move(real)), truth_(truth), clock_(clock) {}

  storage::ApplyOutcome Apply(std::span<const raft::Entry> turn, const storage::WantsPrevious& wants) override {
    truth_.OnApply(turn, clock_.now());
    storage::ApplyOutcome outcome = real_->Apply(turn, wants);
    truth_.OnApplied(real_->applied(), real_->digest(), real_->view()->revision());
    return outcome;
  }
  raft::Index applied() const override { return real_->applied(); }
  raft::Term applied_term() const override { return real_->applied_term(); }
  std::shared_ptr<const storage::View> view() const override { return real_->view(); }
  std::vector<storage::LeaseInfo> Leases() const override { return real_->Leases(); }
  std::optional<storage::LeaseInfo> FindLease(api::LeaseId id) const override { return real_->FindLease(id); }
  std::vector<std::string> LeaseKeys(api::LeaseId id) const override { return real_->LeaseKeys(id); }
  std::vector<api::AlarmMember> Alarms() const override { return real_->Alarms(); }
  std::vector<api::Member> Members() const override { return real_->Members(); }
  std::set<uint64_t> RemovedMembers() const override { return real_->RemovedMembers(); }
  absl::StatusOr<storage::SnapshotFacts> Checkpoint(const std::string& folder) override {
    return real_->Checkpoint(folder);
  }
  void Replace(std::shared_ptr<storage::Engine> engine) override {
    real_->Replace(std::move(engine));
    truth_.OnApplied(real_->applied(), real_->digest(), real_->view()->revision());
  }
  std::optional<storage::PurgePlan> PlanPurge(const storage::View& view, size_t events_max) const override {
    return real_->PlanPurge(view, events_max);
  }
  void RunPurge(const storage::PurgePlan& plan) override { real_->RunPurge(plan); }
  std::optional<raft::Entry> configuration() const override { return real_->configuration(); }
  absl::StatusOr<raft::Index> Flush() override { return real_->Flush(); }
  absl::StatusOr<raft::Index> PersistedApplied() const override { return real_->PersistedApplied(); }
  uint64_t digest() const override { return real_->digest(); }

 private:
  const std::unique_ptr<storage::StateMachine> real_;
  Truth& truth_;
  const Scheduler& clock_;
};

}  // namespace regent::sim
