#include "tests/sim/truth.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "api/contract/key_range.h"
#include "api/contract/results.h"
#include "api/contract/wire.h"
#include "glog/logging.h"

namespace regent::sim {

Truth::Truth(Verdict& verdict) : verdict_(verdict) {
  engine_ = std::make_shared<storage::MemoryEngine>(std::make_shared<storage::MemoryDisk>());
  absl::StatusOr<std::unique_ptr<storage::StateMachine>> replay = storage::StateMachine::Open(engine_, {});
  CHECK(replay.ok()) << replay.status();
  replay_ = *std::move(replay);
}

void Truth::OnApply(std::span<const raft::Entry> turn, MonotonicTime now) {
  for (const raft::Entry& entry : turn) {
    const uint64_t position = entry.index.value - 1;
    if (position < entries_.size()) {
      if (!(entries_[position] == entry)) {
        verdict_.Broken(absl::StrCat("entry ", entry.index.value, " was applied before with another content (term ",
                                     entries_[position].term.value, ", now ", entry.term.value, ")"));
      }
      continue;
    }
    if (position != entries_.size()) {
      verdict_.Broken(absl::StrCat("entry ", entry.index.value, " is applied after ", entries_.size()));
      return;
    }
    entries_.push_back(entry);
    const storage::ApplyOutcome outcome = replay_->Apply({&entry, 1}, [](std::string_view) { return true; });
    if (outcome.events != nullptr) Record(*outcome.events);
    for (const storage::LeaseChange& change : outcome.leases) {
      if (change.kind == storage::LeaseChange::Kind::kGranted) {
        leases_[change.id] = {.ttl = change.ttl, .revoked = std::nullopt};
      } else {
        leases_[change.id].revoked = now;
        ended_leases_.push_back(change.id);
      }
    }
    digests_.push_back(replay_->digest());
    revisions_.push_back(replay_->view()->revision().value);
    if (revisions_.back() < revision_) verdict_.Broken("the revision went back");
    revision_ = revisions_.back();
  }
}

void Truth::OnApplied(raft::Index index, uint64_t digest, api::Revision revision) {
  if (verdict_.broken()) return;
  if (digests_[index.value - 1] != digest || revisions_[index.value - 1] != revision.value) {
    verdict_.Broken(absl::StrCat("the state at entry ", index.value, " differs from a replay of the log"));
  }
}

void Truth::Record(const storage::EventBatch& batch) {
  for (const storage::Event& event : batch.events) {
    if (!events_.empty() && event.revision < events_.back().revision) verdict_.Broken("a revision was used again");
    events_.push_back(event);
    const bool put = event.type == storage::Event::Type::kPut;
    versions_[event.key].push_back({event.revision, put ? std::optional(event.rest) : std::nullopt});
    if (!put) last_delete_ = event.revision;
    if (!put) continue;
    const absl::StatusOr<api::KeyValueRest> rest = api::DecodeKeyValueRest(event.rest);
    const std::string value(rest.ok() ? rest->value : "");
    if (!values_.emplace(value, event.revision).second) verdict_.Broken("the put of " + value + " happened twice");
    if (failed_values_.contains(value)) verdict_.Broken("the put of " + value + " had failed, and happened");
  }
}

size_t Truth::Position(api::Revision revision) const {
  return static_cast<size_t>(
      std::lower_bound(events_.begin(), events_.end(), revision,
                       [](const storage::Event& event, api::Revision wanted) { return event.revision < wanted; }) -
      events_.begin());
}

std::pair<std::string, int64_t> Truth::At(const std::string& key, const std::string& range_end,
                                          api::Revision revision) const {
  api::KeyValueList list;
  for (auto at = versions_.lower_bound(key); at != versions_.end(); ++at) {
    if (!api::RangeContains(key, range_end, at->first)) break;
    const Version* newest = nullptr;
    for (const Version& version : at->second) {
      if (version.revision <= revision) newest = &version;
    }
    if (newest != nullptr && newest->rest.has_value()) list.Add(at->first, *newest->rest);
  }
  std::string bytes;
  for (const auto& chunk : list.chunks()) bytes += chunk;
  return {std::move(bytes), list.count()};
}

bool Truth::HasPut(api::Revision revision, const std::string& key, const std::string& value) const {
  for (size_t i = Position(revision); i < events_.size() && events_[i].revision == revision; ++i) {
    if (events_[i].key != key || events_[i].type != storage::Event::Type::kPut) continue;
    const absl::StatusOr<api::KeyValueRest> rest = api::DecodeKeyValueRest(events_[i].rest);
    if (rest.ok() && rest->value == value) return true;
  }
  return false;
}

int64_t Truth::DeletesAt(api::Revision revision) const {
  int64_t deletes = 0;
  for (size_t i = Position(revision); i < events_.size() && events_[i].revision == revision; ++i) {
    deletes += events_[i].type == storage::Event::Type::kDelete ? 1 : 0;
  }
  return deletes;
}

void Truth::MustNotHappen(const std::string& value) {
  if (values_.contains(value))
    verdict_.Broken("the put of " + value + " happened, and its caller heard that it failed");
  failed_values_.insert(value);
}

}  // namespace regent::sim
