#include "tests/model/driver.h"

#include <algorithm>
#include <utility>

#include "raft/configuration.h"
#include "tests/model/compare.h"

namespace regent::model {
namespace {

constexpr size_t kTraceLines = 25;
constexpr size_t kStaleViews = 3;

Profile ProfileFor(uint64_t seed) {
  switch (seed % 4) {
    case 0:
      return {.keys = Profile::Keys::kMany,
              .key_count = 4000,
              .value_bytes_max = 200,
              .delete_one_in = 30,
              .wide_one_in = 100};
    case 1:
      return {.keys = Profile::Keys::kAdversarial, .value_bytes_max = 3000, .huge_value_one_in = 1500};
    case 2:
      return {.keys = Profile::Keys::kMany, .key_count = 300, .value_bytes_max = 40, .delete_one_in = 5};
    default:
      return {.keys = Profile::Keys::kAdversarial};
  }
}

storage::StateMachineOptions MachineOptionsFor(uint64_t seed) {
  storage::StateMachineOptions options;
  Random random(seed);
  // Small bounds, so that chunks, evictions and unposted events happen all the time.
  if (!random.OneIn(4)) options.chunk_bytes_max = 512 << random.Below(8);
  if (!random.OneIn(4)) options.head_cache_bytes_max = random.Below(20'000);
  if (!random.OneIn(4)) options.posted_events_max = 10 + random.Below(100);
  // Small enough to be met, large enough to be left again by deletes and compactions. Not where values are huge.
  if (seed % 4 == 3 || seed % 8 == 2) options.quota_bytes = 8'000 << random.Below(4);
  return options;
}

std::unique_ptr<Disk> MakeDisk(const EpisodeOptions& options) {
  return options.engine == EngineKind::kRocks ? MakeRocksDisk(options.seed) : MakeMemoryDisk();
}

raft::Entry EntryOf(const api::WriteRequest& request, uint64_t sequence, uint64_t leader_term) {
  return {.data = storage::EncodeCommand(
              {.request = {.node = 7, .sequence = sequence}, .leader_term = leader_term, .body = request})};
}

}  // namespace

Episode::Episode(EpisodeOptions options, Coverage& coverage)
    : options_(options),
      coverage_(coverage),
      random_(options.seed),
      machine_options_(MachineOptionsFor(options.seed)),
      model_(machine_options_.quota_bytes),
      generator_(random_, model_, ProfileFor(options.seed)),
      subject_(MakeDisk(options),
               {.machine = machine_options_, .mutant = options.mutant, .seed = options.seed ^ 0x5eed}) {}

std::string Episode::Run() {
  if (generator_.key_count() >= 1000) Fill();
  while (operations_ < options_.operations && failure_.empty()) Step();
  if (failure_.empty()) CompareEverything();
  if (failure_.empty()) Restart();
  coverage_.Count("operations", operations_);
  coverage_.Count("entries replayed", subject_.replayed());
  coverage_.Count("crashes inside an entry", subject_.crashes_inside_an_entry());
  return failure_;
}

// So many keys that the counted buckets split.
void Episode::Fill() {
  Note("put every key");
  std::vector<raft::Entry> turn;
  for (size_t i = 0; i < generator_.key_count(); ++i) {
    const api::PutRequest put = generator_.PutOf(i);
    Check("fill", model_.Apply(put).ok() || model_.over_quota() ? "" : "the model refuses it");
    turn.push_back(EntryOf(put, i, 0));
    if (turn.size() < 200 && i + 1 < generator_.key_count()) continue;
    subject_.Apply(std::exchange(turn, {}));
  }
  CompareEverything();
}

void Episode::Step() {
  const uint64_t dice = random_.Below(1000);
  if (dice < 450) return ApplyTurn();
  if (dice < 900) return Read();
  if (dice < 960) return Purge();
  if (dice < 990) {
    if (views_.size() == kStaleViews) views_.erase(views_.begin());
    views_.push_back(subject_.machine().view());
    return;
  }
  if (dice < 996) {
    Note("flush");
    subject_.Flush();
    coverage_.Count("flushes");
  } else if (dice < 999) {
    Restart();
  } else {
    CompareEverything();
  }
}

// ---- writes --------------------------------------------------------------------------------------------------------

raft::Entry Episode::MakeEntry(std::vector<api::WriteRequest>* requests,
                               std::vector<absl::StatusOr<WriteAnswer>>* expected) {
  api::WriteRequest request = random_.OneIn(60) ? api::WriteRequest(generator_.Compaction()) : generator_.Write();
  uint64_t leader_term = 0;
  if (const auto* revoke = std::get_if<api::LeaseRevokeRequest>(&request)) {
    leader_term = random_.OneIn(2) ? subject_.term() : 0;
    if (random_.OneIn(4)) {
      // Decided by a leader of another term: nothing may happen, whatever the answer says.
      coverage_.Count("lease revoke of another term");
      Note("revoke " + std::to_string(revoke->id.value) + " by the leader of another term");
      requests->push_back(request);
      expected->push_back(absl::AbortedError("any error"));
      return EntryOf(request, operations_, subject_.term() + 1);
    }
  }
  Note(Describe(request));
  if (std::holds_alternative<api::LeaseExpiryRequest>(request)) {
    leader_term = subject_.term();
    if (random_.OneIn(6)) {
      coverage_.Count("lease expiry of another term");
      Note(Describe(request) + " by the leader of another term");
      requests->push_back(request);
      expected->push_back(absl::AbortedError("any error"));
      return EntryOf(request, operations_, subject_.term() + 1);
    }
  }
  const bool keys_attached = std::holds_alternative<api::LeaseRevokeRequest>(request) &&
                             !model_.LeaseKeys(std::get<api::LeaseRevokeRequest>(request).id.value).empty();
  if (keys_attached) coverage_.Count("lease revoke with keys");
  expected->push_back(model_.Apply(request));
  over_quota_ = over_quota_ || model_.over_quota();
  if (model_.over_quota()) coverage_.Count("writes over the quota");
  CountRequest(request, expected->back());
  raft::Entry entry = EntryOf(request, operations_, leader_term);
  requests->push_back(std::move(request));
  return entry;
}

void Episode::ApplyTurn() {
  std::vector<api::WriteRequest> requests;
  std::vector<absl::StatusOr<WriteAnswer>> expected;
  std::vector<raft::Entry> turn;
  const int64_t revision_before = model_.revision();
  over_quota_ = false;
  if (random_.OneIn(100)) {
    subject_.NewTerm();
    turn.emplace_back();
    coverage_.Count("no-ops of a new term");
  }
  if (random_.OneIn(100)) {
    turn.push_back({.type = raft::EntryType::kConfiguration,
                    .data = raft::Encode(raft::ConfigurationEntry{.configuration = {.voters = {{operations_ + 1}}}})});
    coverage_.Count("configurations");
  }
  const uint64_t size = random_.OneIn(3) ? 1 + random_.Below(8) : 1;
  Note("turn of " + std::to_string(size));
  for (uint64_t i = 0; i < size; ++i, ++operations_) turn.push_back(MakeEntry(&requests, &expected));
  if (size > 1) coverage_.Count("turns of several entries");
  coverage_.Count("entries", size);
  const storage::ApplyOutcome outcome = subject_.Apply(std::move(turn));
  CompareTurn(outcome, requests, expected, revision_before);
  CompareState();
}

void Episode::CompareTurn(const storage::ApplyOutcome& outcome, const std::vector<api::WriteRequest>& requests,
                          const std::vector<absl::StatusOr<WriteAnswer>>& expected, int64_t revision_before) {
  CheckEqual("number of answers", static_cast<int64_t>(expected.size()), static_cast<int64_t>(outcome.answers.size()));
  bool compacted = false;
  for (size_t i = 0; i < expected.size() && failure_.empty(); ++i) {
    const storage::Answer& answer = outcome.answers[i];
    CheckEqual("node of the request id", 7, static_cast<int64_t>(answer.request.node));
    if (expected[i].status().code() == absl::StatusCode::kAborted) {
      if (answer.result.ok()) Check("revoke of another term", "answered as done");
      continue;
    }
    if (std::holds_alternative<api::CompactionRequest>(requests[i]) && expected[i].ok()) compacted = true;
    Check(Describe(requests[i]), CompareWrite(requests[i], expected[i], answer.result));
  }
  CheckEqual("outcome.compacted", compacted, outcome.compacted);
  CheckEqual("outcome.over_quota", over_quota_, outcome.over_quota);
  CompareLeaseChanges(outcome);
  ComparePosted(outcome, revision_before);
}

void Episode::ComparePosted(const storage::ApplyOutcome& outcome, int64_t revision_before) {
  size_t largest = 0;
  std::vector<ModelEvent> expected;
  for (int64_t revision = revision_before + 1; revision <= model_.revision(); ++revision) {
    const std::vector<ModelEvent>& events = model_.EventsOf(revision);
    expected.insert(expected.end(), events.begin(), events.end());
    largest = std::max(largest, events.size());
  }
  if (model_.revision() == revision_before) {
    if (outcome.events != nullptr) Check("posted events", "a batch although nothing changed");
    return;
  }
  if (outcome.events == nullptr) return Check("posted events", "no batch");
  CheckEqual("first revision of the batch", revision_before + 1, outcome.events->first.value);
  CheckEqual("last revision of the batch", model_.revision(), outcome.events->last.value);
  if (outcome.events->too_large) {
    coverage_.Count("events too large to post");
    if (largest <= machine_options_.posted_events_max && model_.compacted() <= revision_before) {
      Check("posted events", "too large with " + std::to_string(largest));
    }
    return;
  }
  // A compaction later in the same turn has made the model forget what came before it.
  if (model_.compacted() > revision_before) return;
  coverage_.Count("events posted", expected.size());
  const std::vector<storage::Event>& actual = outcome.events->events;
  CheckEqual("number of posted events", static_cast<int64_t>(expected.size()), static_cast<int64_t>(actual.size()));
  for (size_t i = 0; i < expected.size() && failure_.empty(); ++i) {
    const Previous previous = WantsPrevious(expected[i].kv.key) ? Previous::kExact : Previous::kIgnored;
    Check("posted event", CompareEvent(expected[i], actual[i], previous));
  }
}

void Episode::CompareLeaseChanges(const storage::ApplyOutcome& outcome) {
  const std::vector<std::string> wanted = model_.TakeLeaseChanges();
  std::vector<std::string> reported;
  for (const storage::LeaseChange& change : outcome.leases) {
    const std::string id = std::to_string(change.id.value);
    reported.push_back(change.kind == storage::LeaseChange::Kind::kGranted ? "+" + id + " " + std::to_string(change.ttl)
                                                                           : "-" + id);
  }
  if (wanted != reported) Check("lease changes", std::to_string(reported.size()) + " reported, other than expected");
}

void Episode::CompareState() {
  const std::shared_ptr<const storage::View> view = subject_.machine().view();
  CheckEqual("revision", model_.revision(), view->revision().value);
  CheckEqual("compacted revision", model_.compacted(), view->compacted().value);
  CheckEqual("logical size", model_.logical_size(), view->logical_size());
  if (view->logical_size_in_use() > view->logical_size()) Check("size in use", "is above the size");
  CheckEqual("applied index of the view", static_cast<int64_t>(subject_.machine().applied().value),
             static_cast<int64_t>(view->applied_index()));
  if (subject_.machine().configuration() != subject_.configuration()) Check("configuration", "is another one");
  if (subject_.machine().Alarms() != std::vector(model_.alarms().begin(), model_.alarms().end())) {
    Check("alarms", "other than the model's " + std::to_string(model_.alarms().size()));
  }
  if (random_.OneIn(8)) CompareLeases();
}

void Episode::CompareLeases() {
  std::vector<storage::LeaseInfo> leases = subject_.machine().Leases();
  CheckEqual("number of leases", static_cast<int64_t>(model_.leases().size()), static_cast<int64_t>(leases.size()));
  auto expected = model_.leases().begin();
  for (size_t i = 0; i < leases.size() && failure_.empty(); ++i, ++expected) {
    CheckEqual("lease", expected->first, leases[i].id.value);
    CheckEqual("ttl of the lease", expected->second, leases[i].ttl);
    const std::set<std::string>& keys = model_.LeaseKeys(expected->first);
    if (subject_.machine().LeaseKeys(leases[i].id) != std::vector<std::string>(keys.begin(), keys.end())) {
      Check("lease " + std::to_string(expected->first), "has other keys");
    }
    if (!subject_.machine().FindLease(leases[i].id)) Check("lease " + std::to_string(expected->first), "is not found");
  }
  if (!model_.leases().contains(424242) && subject_.machine().FindLease({424242})) Check("lease 424242", "is found");
}

// ---- reads ---------------------------------------------------------------------------------------------------------

void Episode::Read() {
  ++operations_;
  const bool stale = !views_.empty() && random_.OneIn(5);
  const std::shared_ptr<const storage::View> view = stale ? random_.Pick(views_) : subject_.machine().view();
  const int64_t current = view->revision().value;
  const uint64_t dice = random_.Below(100);
  if (dice < 70) {
    if (stale) coverage_.Count("range by a stale view");
    ReadRange(*view, generator_.Range(current));
  } else if (dice < 78) {
    const api::TxnRequest txn = generator_.ReadTxn(current);
    Note("at " + std::to_string(current) + " read " + Describe(txn));
    coverage_.Count("read-only transaction");
    Check("read-only " + Describe(txn), CompareReadTxn(txn, model_.ReadTxn(txn, current), view->ReadTxn(txn)));
  } else {
    const auto [key, range_end] = generator_.Selection();
    const int64_t from = random_.OneIn(8)
                             ? std::max<int64_t>(1, model_.compacted() - static_cast<int64_t>(random_.Below(2)))
                             : std::max<int64_t>(1, generator_.Revision(current));
    ReadEvents(*view, key, range_end, from, random_.OneIn(2));
  }
}

void Episode::ReadRange(const storage::View& view, const api::RangeRequest& request) {
  const int64_t current = view.revision().value;
  Note("at " + std::to_string(current) + " " + Describe(request));
  const absl::StatusOr<RangeAnswer> expected = model_.Range(request, current);
  CountRange(request, expected, current);
  Check(Describe(request) + " by the view at " + std::to_string(current),
        CompareRange(request, expected, view.Range(request)));
}

void Episode::ReadEvents(const storage::View& view, const std::string& key, const std::string& range_end, int64_t from,
                         bool previous) {
  const int64_t current = view.revision().value;
  const size_t events_max = 1 + random_.Below(random_.OneIn(2) ? 10 : 1000);
  const std::string what = "events of [" + Printable(key) + ", " + Printable(range_end) + ") from " +
                           std::to_string(from) + " to " + std::to_string(current);
  Note(what);
  coverage_.Count("event reads");
  const absl::StatusOr<std::vector<ModelEvent>> expected = model_.Events(key, range_end, from, current);
  std::vector<storage::Event> actual;
  for (int64_t next = from;;) {
    const absl::StatusOr<storage::EventSlice> slice = view.Events(key, range_end, {next}, previous, events_max);
    if (!slice.ok() || !expected.ok()) {
      CountError(expected.status());
      if (slice.status() != expected.status())
        Check(what, "expected " + expected.status().ToString() + ", got " + slice.status().ToString());
      return;
    }
    if (slice->events != nullptr) {
      const storage::EventBatch& batch = *slice->events;
      for (const storage::Event& event : batch.events) {
        if (event.revision.value < next || event.revision >= slice->next) Check(what, "an event outside of its slice");
      }
      if (batch.too_large) Check(what, "a slice that is too large");
      actual.insert(actual.end(), batch.events.begin(), batch.events.end());
    }
    if (slice->next.value > current) break;
    if (slice->next.value <= next) return Check(what, "no progress at " + std::to_string(next));
    next = slice->next.value;
  }
  coverage_.Count("events read", actual.size());
  for (const ModelEvent& event : *expected) {
    if (previous && event.previous) coverage_.Count("events with a previous version");
    if (event.revision == model_.compacted()) coverage_.Count("events at the compacted revision");
  }
  Check(what, CompareEvents(*expected, actual, model_.compacted(), previous ? Previous::kExact : Previous::kIgnored));
}

// Everything that a client could see, at the current revision and at a few older ones.
void Episode::CompareEverything() {
  Note("compare everything");
  coverage_.Count("full comparisons");
  if (model_.live_keys() >= 1000) coverage_.Count("stores of 1000 keys and more");
  CompareState();
  CompareLeases();
  const std::string all(1, '\0');
  const std::shared_ptr<const storage::View> view = subject_.machine().view();
  const int64_t oldest = std::max<int64_t>(1, model_.compacted());
  for (const int64_t revision : {int64_t{0}, oldest, random_.Between(oldest, model_.revision())}) {
    if (failure_.empty()) ReadRange(*view, {.key = all, .range_end = all, .revision = {revision}});
  }
  if (failure_.empty()) ReadEvents(*view, all, all, oldest, true);
}

// ---- purge, restart ------------------------------------------------------------------------------------------------

void Episode::Purge() {
  const size_t events_max = 1 + random_.Below(random_.OneIn(2) ? 20 : 2000);
  Note("purge of " + std::to_string(events_max));
  bool more = subject_.Purge(events_max);
  if (more) coverage_.Count("purge slices");
  if (!random_.OneIn(8)) return;
  while (more) more = subject_.Purge(events_max);
  coverage_.Count("purges to the end");
  CheckEqual("after the purge: weight of the version rows", model_.versions_size(), subject_.VersionRowsWeight());
}

void Episode::Restart() {
  Note("crash and replay");
  coverage_.Count("restarts");
  if (!model_.alarms().empty()) coverage_.Count("restarts with an alarm");
  views_.clear();
  Check("restart", subject_.CrashAndReplay());
  if (failure_.empty()) CompareEverything();
}

// ---- the record ----------------------------------------------------------------------------------------------------

void Episode::Note(std::string line) {
  trace_.push_back(std::move(line));
  if (trace_.size() > kTraceLines) trace_.pop_front();
}

std::string Episode::Trace() const {
  std::string text;
  for (const std::string& line : trace_) text += "    " + line.substr(0, 600) + "\n";
  return text;
}

void Episode::Check(const std::string& what, const std::string& difference) {
  if (failure_.empty() && !difference.empty()) failure_ = what.substr(0, 600) + ": " + difference;
}

void Episode::CheckEqual(const std::string& what, int64_t expected, int64_t actual) {
  if (expected != actual) Check(what, "expected " + std::to_string(expected) + ", got " + std::to_string(actual));
}

}  // namespace regent::model
