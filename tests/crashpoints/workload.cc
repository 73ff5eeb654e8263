#include "tests/crashpoints/workload.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "api/contract/errors.h"

namespace regent::crashpoints {

using namespace std::chrono_literals;

namespace {

constexpr int kClients = 4;
constexpr uint64_t kKeys = 40;
constexpr int64_t kNoLease = 4711;  // nobody grants it

api::Revision RevisionOf(const api::WriteResult& result) {
  return std::visit([](const auto& alternative) { return alternative.revision; }, result);
}

}  // namespace

Workload::Workload(Life& life, const History& history, uint64_t seed, uint64_t operations, WorkloadCounters& counters)
    : life_(life),
      history_(history),
      random_(seed),
      operations_(operations),
      counters_(counters),
      loop_(life.scheduler().NewLoop("clients")) {}

void Workload::Start() {
  for (int i = 0; i < kClients; ++i) Next();
}

// Mostly soon; sometimes late enough for the log's mark and the store's own flush.
void Workload::Next() {
  const auto thought = Draw(30) == 0 ? 100ms : Draw(4) == 0 ? std::chrono::milliseconds(Draw(25)) : 0ms;
  loop_->PostAfter(thought, [this] {
    if (begun_ < operations_) Begin();
  });
}

void Workload::Begin() {
  ++begun_;
  ++in_flight_;
  if (refusals_to_come_ > 0) {
    --refusals_to_come_;
    return BeRefused();
  }
  const uint64_t drawn = Draw(100);
  if (drawn < 42) return Put();
  if (drawn < 52) return Delete();
  if (drawn < 62) return Txn();
  if (drawn < 66) return LargeTxn();
  if (drawn < 72) return Grant();
  if (drawn < 75) return Revoke();
  if (drawn < 82) return Compact();
  if (drawn < 88) return CompactAtTombstone();
  if (drawn < 94) return BeRefused();
  if (drawn < 97) return Alarm();
  return AskAboutStore();
}

void Workload::Finish() {
  --in_flight_;
  Next();
}

void Workload::Propose(api::WriteRequest request, Done done) {
  life_.node().Propose(std::move(request), sim::MonotonicTime::max(), std::move(done));
}

void Workload::Note(const absl::StatusOr<api::WriteResult>& result) {
  ++(result.ok() ? counters_.acknowledged : counters_.refused);
  if (!result.ok()) return;
  const int64_t revision = RevisionOf(*result).value;
  acknowledged_revision_ = std::max(acknowledged_revision_, revision);
  if (revision > Revision()) life_.Violation("answer", absl::StrCat("revision ", revision, " is ahead of the log"));
}

void Workload::Ask(api::WriteRequest request) {
  Propose(std::move(request), [this](absl::StatusOr<api::WriteResult> result) {
    Note(result);
    if (result.status() == api::ErrNoSpace()) return MakeRoom();
    Finish();
  });
}

void Workload::AskPut(api::PutRequest request) {
  ++counters_.puts;
  Propose(request, [this, request](absl::StatusOr<api::WriteResult> result) {
    Note(result);
    if (result.ok() && !history_.HasPut(RevisionOf(*result).value, request.key, request.value)) {
      life_.Violation("answer", "an acknowledged put did not happen");
    }
    if (result.status() == api::ErrNoSpace()) return MakeRoom();
    Finish();
  });
}

std::string Workload::RandomKey() { return absl::StrCat("k", Draw(kKeys)); }

// Unique, and not to be compressed.
std::string Workload::NewValue(size_t bytes) {
  std::string value = absl::StrCat("value ", ++last_value_, " ");
  while (value.size() < bytes) {
    uint64_t letters = random_();
    for (int i = 0; i < 10; ++i, letters >>= 6) value.push_back(static_cast<char>('0' + letters % 64));
  }
  return value;
}

api::LeaseId Workload::RandomLease() { return leases_.empty() ? api::LeaseId{} : leases_[Draw(leases_.size())]; }

void Workload::Put() {
  const uint64_t kind = Draw(20);
  const size_t bytes = kind == 0 ? 3000 : kind < 8 ? 300 + Draw(1200) : Draw(300);
  AskPut({.key = RandomKey(), .value = NewValue(bytes), .lease = Draw(4) == 0 ? RandomLease() : api::LeaseId{}});
}

void Workload::Delete() {
  ++counters_.deletes;
  api::DeleteRangeRequest request{.key = RandomKey()};
  if (Draw(10) == 0) request = {.key = "k1", .range_end = "k2"};
  if (Draw(12) == 0) request = {.key = "large/", .range_end = "large0", .prev_kv = true};
  Ask(std::move(request));
}

// Several operations at one revision, some on the same key, some nested; the branch depends on the state.
void Workload::Txn() {
  ++counters_.txns;
  const std::string key = RandomKey();
  api::TxnRequest txn;
  txn.compare = {{.result = api::Compare::Result::kGreater,
                  .target = api::Compare::Target::kVersion,
                  .key = key,
                  .number = static_cast<int64_t>(Draw(3))}};
  txn.success = {api::DeleteRangeRequest{.key = key}, api::RangeRequest{.key = "k", .range_end = "l", .limit = 3},
                 api::PutRequest{.key = RandomKey() + "t", .value = NewValue(Draw(200)), .lease = RandomLease()}};
  api::TxnRequest inner;
  inner.success = {api::PutRequest{.key = key, .value = NewValue(Draw(100))},
                   api::DeleteRangeRequest{.key = "k30", .range_end = "k33"}};
  txn.failure = {std::make_shared<const api::TxnRequest>(inner)};
  Ask(std::move(txn));
}

void Workload::LargeTxn() {
  ++counters_.large;
  api::TxnRequest txn;
  const uint64_t count = 20 + Draw(40);
  for (uint64_t i = 0; i < count; ++i) {
    txn.success.push_back(
        api::PutRequest{.key = absl::StrCat("large/", i), .value = NewValue(100 + Draw(200)), .lease = RandomLease()});
  }
  Ask(std::move(txn));
}

// Some short, which run out within the run.
void Workload::Grant() {
  ++counters_.grants;
  Propose(api::LeaseGrantRequest{.ttl = 2 + static_cast<int64_t>(Draw(3)) * 50},
          [this](absl::StatusOr<api::WriteResult> result) {
            Note(result);
            if (result.ok()) leases_.push_back(std::get<api::LeaseGrantResult>(*result).id);
            Finish();
          });
}

void Workload::Revoke() {
  if (leases_.empty()) return Grant();
  ++counters_.revokes;
  const size_t place = Draw(leases_.size());
  const api::LeaseId id = leases_[place];
  leases_.erase(leases_.begin() + static_cast<ptrdiff_t>(place));
  Ask(api::LeaseRevokeRequest{.id = id});
}

void Workload::Compact() {
  ++counters_.compactions;
  const bool physical = Draw(3) == 0;
  counters_.physical += physical ? 1 : 0;
  const int64_t behind = static_cast<int64_t>(Draw(40));
  Ask(api::CompactionRequest{.revision = {std::max<int64_t>(1, Revision() - behind)}, .physical = physical});
}

// A key's only versions are its birth and its death, and the death is the newest revision when it is compacted.
void Workload::CompactAtTombstone() {
  const std::string key = absl::StrCat("t", Draw(5));
  Propose(api::PutRequest{.key = key, .value = NewValue(20)}, [this, key](absl::StatusOr<api::WriteResult> put) {
    Note(put);
    Propose(api::DeleteRangeRequest{.key = key}, [this](absl::StatusOr<api::WriteResult> deleted) {
      Note(deleted);
      if (!deleted.ok()) return Finish();
      ++counters_.tombstones_compacted;
      Ask(api::CompactionRequest{.revision = RevisionOf(*deleted), .physical = Draw(2) == 0});
    });
  });
}

// Entries that change nothing still count. Now and then many in a row, so that a flush has nothing else.
void Workload::BeRefused() {
  if (refusals_to_come_ == 0 && Draw(4) == 0) refusals_to_come_ = 15;
  switch (Draw(4)) {
    case 0:
      return Ask(api::PutRequest{.key = RandomKey(), .value = NewValue(10), .lease = {kNoLease}});
    case 1:
      return Ask(api::LeaseRevokeRequest{.id = {kNoLease}});
    case 2:
      return Ask(api::CompactionRequest{.revision = {Revision() + 1000}});
    default: {
      api::TxnRequest txn;
      txn.success = {api::PutRequest{.key = RandomKey(), .value = NewValue(10)},
                     api::RangeRequest{.key = "k", .revision = {Revision() + 1000}}};
      return Ask(std::move(txn));
    }
  }
}

void Workload::Alarm() {
  ++counters_.alarms;
  api::AlarmRequest request{.action = api::AlarmAction::kActivate, .member_id = 7, .alarm = api::AlarmType::kNoSpace};
  Propose(request, [this, request](absl::StatusOr<api::WriteResult> on) mutable {
    Note(on);
    request.action = api::AlarmAction::kDeactivate;
    Ask(request);
  });
}

// As an operator does: compact, then take the alarm away.
void Workload::MakeRoom() {
  ++counters_.no_space;
  Propose(api::CompactionRequest{.revision = {Revision()}, .physical = Draw(2) == 0},
          [this](absl::StatusOr<api::WriteResult> compacted) {
            Note(compacted);
            std::vector<api::AlarmMember> alarms = life_.machine().Alarms();
            if (alarms.empty()) return Finish();
            Ask(api::AlarmRequest{.action = api::AlarmAction::kDeactivate,
                                  .member_id = alarms.front().member_id,
                                  .alarm = alarms.front().alarm});
          });
}

void Workload::AskAboutStore() {
  ++counters_.verbs;
  life_.node().Defragment([](absl::StatusOr<std::monostate>) {});
  life_.node().HashKv(0, [this](const absl::StatusOr<api::HashKvResult>& result) {
    if (!result.ok()) life_.Violation("answer", "HashKV failed: " + result.status().ToString());
    loop_->Post([this] { Finish(); });
  });
}

}  // namespace regent::crashpoints
