#include "tests/crashpoints/history.h"

#include <algorithm>

#include "api/contract/key_range.h"
#include "api/contract/results.h"
#include "api/contract/wire.h"
#include "glog/logging.h"

namespace regent::crashpoints {

Leases LeasesOf(const storage::StateMachine& machine) {
  Leases leases;
  for (const storage::LeaseInfo& lease : machine.Leases()) {
    leases[lease.id.value] = {.ttl = lease.ttl, .keys = machine.LeaseKeys(lease.id)};
  }
  return leases;
}

History::History(storage::StateMachineOptions options)
    : engine_(std::make_shared<storage::MemoryEngine>(std::make_shared<storage::MemoryDisk>())) {
  absl::StatusOr<std::unique_ptr<storage::StateMachine>> machine = storage::StateMachine::Open(engine_, options);
  CHECK(machine.ok()) << machine.status();
  machine_ = *std::move(machine);
  states_.push_back({.leases = std::make_shared<const Leases>(), .alarms = {}});
}

void History::Append(std::span<const raft::Entry> entries) {
  for (const raft::Entry& entry : entries) {
    CHECK_EQ(entry.index.value, entries_.size() + 1) << "a log of one member never goes back";
    entries_.push_back(entry);
    const storage::ApplyOutcome outcome = machine_->Apply({&entry, 1}, [](std::string_view) { return true; });
    if (outcome.events != nullptr) {
      for (const storage::Event& event : outcome.events->events) {
        events_.push_back(event);
        const bool put = event.type == storage::Event::Type::kPut;
        versions_[event.key].push_back({event.revision.value, put ? std::optional(event.rest) : std::nullopt});
      }
    }
    const std::shared_ptr<const storage::View> view = machine_->view();
    StateAt state{.digest = machine_->digest(),
                  .revision = view->revision().value,
                  .compacted = view->compacted().value,
                  .size = view->logical_size(),
                  .leases = states_.back().leases,
                  .alarms = machine_->Alarms()};
    Leases leases = LeasesOf(*machine_);
    if (leases != *state.leases) state.leases = std::make_shared<const Leases>(std::move(leases));
    states_.push_back(std::move(state));
  }
}

std::pair<std::string, int64_t> History::RangeAt(const std::string& key, const std::string& range_end,
                                                 int64_t revision) const {
  api::KeyValueList list;
  for (auto at = versions_.lower_bound(key); at != versions_.end(); ++at) {
    if (!api::RangeContains(key, range_end, at->first)) break;
    const auto behind =
        std::upper_bound(at->second.begin(), at->second.end(), revision,
                         [](int64_t wanted, const Version& version) { return wanted < version.revision; });
    if (behind != at->second.begin() && std::prev(behind)->rest.has_value()) {
      list.Add(at->first, *std::prev(behind)->rest);
    }
  }
  std::string bytes;
  for (const std::string& chunk : list.chunks()) bytes += chunk;
  return {std::move(bytes), list.count()};
}

size_t History::FirstEventAt(int64_t revision) const {
  const auto found =
      std::lower_bound(events_.begin(), events_.end(), revision,
                       [](const storage::Event& event, int64_t wanted) { return event.revision.value < wanted; });
  return static_cast<size_t>(found - events_.begin());
}

bool History::HasPut(int64_t revision, const std::string& key, const std::string& value) const {
  for (size_t i = FirstEventAt(revision); i < events_.size() && events_[i].revision.value == revision; ++i) {
    if (events_[i].key != key || events_[i].type != storage::Event::Type::kPut) continue;
    const absl::StatusOr<api::KeyValueRest> rest = api::DecodeKeyValueRest(events_[i].rest);
    if (rest.ok() && rest->value == value) return true;
  }
  return false;
}

}  // namespace regent::crashpoints
