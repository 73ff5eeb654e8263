#include "tests/model/subject.h"

#include <glog/logging.h>

#include <functional>
#include <utility>

#include "storage/keys.h"
#include "tests/model/compare.h"

namespace regent::model {

bool WantsPrevious(std::string_view key) { return std::hash<std::string_view>{}(key) % 3 != 0; }

Subject::Subject(std::unique_ptr<Disk> disk, Options options)
    : disk_(std::move(disk)), options_(options), random_(options.seed) {
  Open(Start::kFresh);
}

void Subject::Open(Start start) {
  engine_ = disk_->Open();
  auto machine = storage::StateMachine::Open(engine_, options_.machine);
  CHECK(machine.ok()) << machine.status();
  machine_ = Spoil(*std::move(machine), engine_, options_.mutant, start);
}

storage::ApplyOutcome Subject::Apply(std::vector<raft::Entry> entries) {
  raft::Index index = machine_->applied();
  for (raft::Entry& entry : entries) {
    entry.index = {++index.value};
    entry.term = {term_};
    if (entry.type == raft::EntryType::kConfiguration) configuration_ = entry;
  }
  storage::ApplyOutcome outcome = machine_->Apply(entries, WantsPrevious);
  CHECK_EQ(machine_->applied().value, entries.back().index.value);
  Remember(entries, outcome);
  log_.insert(log_.end(), entries.begin(), entries.end());
  if (log_.size() % 64 == 0) ForgetDurable();
  return outcome;
}

// No-ops and configurations were asked for by nobody.
bool Subject::HasAnswer(const raft::Entry& entry) {
  return entry.type == raft::EntryType::kNormal && !entry.data.empty();
}

void Subject::Remember(std::span<const raft::Entry> turn, const storage::ApplyOutcome& outcome) {
  size_t answer = 0;
  for (const raft::Entry& entry : turn) {
    if (HasAnswer(entry) && answer < outcome.answers.size()) {
      answers_[entry.index.value] = Fingerprint(outcome.answers[answer++].result);
    }
  }
  if (outcome.events != nullptr && !outcome.events->too_large) {
    for (const storage::Event& event : outcome.events->events)
      events_[event.revision.value].push_back(Fingerprint(event));
  }
  digests_[turn.back().index.value] = machine_->digest();
  revisions_[turn.back().index.value] = machine_->view()->revision().value;
}

void Subject::Flush() {
  const absl::StatusOr<raft::Index> durable = machine_->Flush();
  CHECK(durable.ok()) << durable.status();
  CHECK_EQ(durable->value, machine_->applied().value) << "a flush makes everything applied durable";
  ForgetDurable();
}

void Subject::ForgetDurable() {
  const absl::StatusOr<raft::Index> durable = machine_->PersistedApplied();
  CHECK(durable.ok()) << durable.status();
  CHECK_LE(durable->value, machine_->applied().value);
  while (!log_.empty() && log_.front().index <= *durable) log_.pop_front();
  answers_.erase(answers_.begin(), answers_.upper_bound(durable->value));
  digests_.erase(digests_.begin(), digests_.lower_bound(durable->value));
  revisions_.erase(revisions_.begin(), revisions_.lower_bound(durable->value));
  if (const auto known = revisions_.find(durable->value); known != revisions_.end()) {
    events_.erase(events_.begin(), events_.upper_bound(known->second));
  }
}

std::string Subject::CrashAndReplay() {
  const raft::Index last = machine_->applied();
  const absl::StatusOr<raft::Index> durable = machine_->PersistedApplied();
  CHECK(durable.ok()) << durable.status();
  for (bool again = true; again;) {
    disk_->Crash(random_);
    machine_.reset();
    engine_.reset();
    plan_.reset();
    Open(Start::kAfterCrash);
    if (RowsAbove(machine_->view()->revision().value)) ++crashes_inside_an_entry_;
    const raft::Index found = machine_->applied();
    if (found < *durable || found > last) {
      return "after the crash applied is " + std::to_string(found.value) + ", was durable up to " +
             std::to_string(durable->value) + " and applied up to " + std::to_string(last.value);
    }
    if (const auto known = digests_.find(found.value); known != digests_.end() && known->second != machine_->digest()) {
      return "after the crash the digest at " + std::to_string(found.value) + " differs";
    }
    // A crash in the middle of the replay, at times.
    again = random_.OneIn(4);
    while (machine_->applied() < last && !(again && random_.OneIn(3))) {
      std::vector<raft::Entry> turn;
      const size_t turn_entries_max = 1 + random_.Below(12);
      for (const raft::Entry& entry : log_) {
        if (entry.index > machine_->applied() && turn.size() < turn_entries_max) turn.push_back(entry);
        if (turn.size() == turn_entries_max) break;
      }
      if (turn.empty()) return "the entries behind the durable state were released too early";
      const storage::ApplyOutcome outcome = machine_->Apply(turn, WantsPrevious);
      replayed_ += turn.size();
      if (std::string difference = CheckReplay(turn, outcome); !difference.empty())
        return "in the replay: " + difference;
    }
  }
  return "";
}

// Rows of a revision that the counters do not know yet: the beginning of a large entry.
bool Subject::RowsAbove(int64_t revision) const {
  const auto rows = engine_->Iterate(std::string(1, storage::kEventRows + 1), storage::Scope::kRange);
  rows->Seek(storage::EventRow({.revision = revision + 1}));
  return rows->Valid();
}

int64_t Subject::VersionRowsWeight() const {
  constexpr std::string_view kVersions(&storage::kVersionRows, 1);
  int64_t weight = 0;
  const auto rows = engine_->Iterate(std::string(1, storage::kVersionRows + 1), storage::Scope::kRange);
  for (rows->Seek(kVersions); rows->Valid(); rows->Next()) {
    const std::string key = storage::KeyOfPrefix(storage::PrefixOfVersionRow(rows->row()));
    weight += static_cast<int64_t>(key.size() + rows->value().size()) + 64;
  }
  return weight;
}

std::string Subject::CheckReplay(std::span<const raft::Entry> turn, const storage::ApplyOutcome& outcome) const {
  size_t answer = 0;
  for (const raft::Entry& entry : turn) {
    if (!HasAnswer(entry)) continue;
    if (answer == outcome.answers.size()) return "no answer for " + std::to_string(entry.index.value);
    const auto known = answers_.find(entry.index.value);
    if (known != answers_.end() && known->second != Fingerprint(outcome.answers[answer].result)) {
      return "another answer for " + std::to_string(entry.index.value);
    }
    ++answer;
  }
  const auto digest = digests_.find(turn.back().index.value);
  if (digest != digests_.end() && digest->second != machine_->digest()) {
    return "another digest at " + std::to_string(turn.back().index.value);
  }
  if (outcome.events == nullptr || outcome.events->too_large) return "";
  std::map<int64_t, std::vector<uint64_t>> events;
  for (const storage::Event& event : outcome.events->events) events[event.revision.value].push_back(Fingerprint(event));
  for (const auto& [revision, fingerprints] : events) {
    const auto known = events_.find(revision);
    if (known != events_.end() && known->second != fingerprints)
      return "other events at revision " + std::to_string(revision);
  }
  return "";
}

bool Subject::Purge(size_t events_max) {
  if (!plan_) plan_ = machine_->PlanPurge(*machine_->view(), events_max);
  if (!plan_) return false;
  // Carried out at once, or with turns of writes in between.
  if (random_.OneIn(3)) return true;
  machine_->RunPurge(*plan_);
  plan_.reset();
  return true;
}

}  // namespace regent::model
