// Bugs of other stores, on the state machine with its log, its crashes and the model beside it. tests/regress/table
// says which bug each number is.
#include <gtest/gtest.h>

#include <climits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "storage/memory_engine.h"
#include "tests/model/compare.h"
#include "tests/model/generator.h"
#include "tests/model/subject.h"
#include "tests/regress/planted_bug.h"

namespace regent::model {
namespace {

Mutant Planted() {
  const std::string bug = regress::PlantedBug();
  const std::optional<Mutant> mutant = FindMutant(bug);
  EXPECT_TRUE(bug.empty() || mutant.has_value()) << "no such planted bug: " << bug;
  return mutant.value_or(Mutant::kNone);
}

// The state machine and the model, told the same.
class StoreRegression : public testing::Test {
 protected:
  StoreRegression() : subject_(MakeMemoryDisk(), {.mutant = Planted(), .seed = 1}) {}

  void Apply(const api::WriteRequest& request) {
    SCOPED_TRACE(Describe(request));
    const absl::StatusOr<WriteAnswer> expected = model_.Apply(request);
    model_.TakeLeaseChanges();
    std::vector<raft::Entry> turn(1);
    turn[0].data = storage::EncodeCommand({.request = {.node = 7, .sequence = ++sequence_}, .body = request});
    storage::ApplyOutcome outcome = subject_.Apply(std::move(turn));
    ASSERT_EQ(outcome.answers.size(), 1u);
    EXPECT_EQ(CompareWrite(request, expected, outcome.answers[0].result), "");
  }
  void Read(const api::RangeRequest& request) {
    const auto view = subject_.machine().view();
    EXPECT_EQ(CompareRange(request, model_.Range(request, view->revision().value), view->Range(request)), "")
        << Describe(request);
  }
  // The events from `from` on, as "put KEY@REVISION" and "delete KEY@REVISION".
  std::vector<std::string> Events(int64_t from) {
    const auto view = subject_.machine().view();
    const std::string all(1, '\0');
    const absl::StatusOr<storage::EventSlice> slice = view->Events(all, all, {from}, false, 1'000'000);
    EXPECT_TRUE(slice.ok()) << slice.status();
    std::vector<std::string> words;
    if (!slice.ok() || slice->events == nullptr) return words;
    for (const storage::Event& event : slice->events->events) {
      words.push_back((event.type == storage::Event::Type::kPut ? "put " : "delete ") + event.key + "@" +
                      std::to_string(event.revision.value));
    }
    return words;
  }
  void PurgeToTheEnd() {
    while (subject_.Purge(3)) {
    }
  }
  void CrashAndReplay() { EXPECT_EQ(subject_.CrashAndReplay(), "") << "an answer differs in the replay"; }

  Model model_{0};
  Subject subject_;
  uint64_t sequence_ = 0;
};

// Every number of a request at the edges of its type: the answer is the contract's, and the same in every replay.
TEST_F(StoreRegression, RK08_NumbersAtTheEdgesGiveTheSameAnswerEverywhere) {
  const std::vector<int64_t> edges = {INT64_MIN, -1, 0, 1, INT64_MAX};
  subject_.Flush();
  for (const int64_t edge : edges) {
    Apply(api::LeaseGrantRequest{.id = {edge}, .ttl = 10});
    Apply(api::LeaseGrantRequest{.id = {edge}, .ttl = 10});  // again: it exists, or is refused as before
    Apply(api::LeaseGrantRequest{.id = {1000 + edge % 100}, .ttl = edge});
    Apply(api::PutRequest{.key = "a", .value = "v", .lease = {edge}});
    for (const auto target : {api::Compare::Target::kVersion, api::Compare::Target::kCreate, api::Compare::Target::kMod,
                              api::Compare::Target::kLease}) {
      for (const auto result : {api::Compare::Result::kEqual, api::Compare::Result::kGreater,
                                api::Compare::Result::kLess, api::Compare::Result::kNotEqual}) {
        api::TxnRequest txn;
        txn.compare = {{.result = result, .target = target, .key = "a", .number = edge}};
        txn.success = {api::PutRequest{.key = "b", .value = "yes"}, api::RangeRequest{.key = "a", .limit = edge}};
        txn.failure = {api::PutRequest{.key = "b", .value = "no"}, api::RangeRequest{.key = "a", .revision = {edge}}};
        Apply(txn);
      }
    }
    Read({.key = "a", .range_end = "z", .limit = edge});
    Read({.key = "a", .range_end = "z", .revision = {edge}});
    Read({.key = "a", .range_end = "z", .min_mod_revision = {edge}, .max_create_revision = {edge}});
  }
  for (const int64_t edge : edges) {
    Apply(api::CompactionRequest{.revision = {edge}});
    Apply(api::LeaseRevokeRequest{.id = {edge}});
    Apply(api::LeaseRevokeRequest{.id = {edge}});
  }
  for (int i = 0; i < 5; ++i) CrashAndReplay();
}

// A compaction at the very revision of a delete: a watcher that resumes there still hears of the delete, before and
// after the purge, and after a restart.
TEST_F(StoreRegression, RK10_ADeleteAtTheCompactedRevisionIsStillAnEvent) {
  for (const std::string key : {"a", "b"}) {
    Apply(api::PutRequest{.key = key, .value = "v"});
    Apply(api::DeleteRangeRequest{.key = key});
    const int64_t deleted = model_.revision();
    Apply(api::CompactionRequest{.revision = {deleted}});
    const std::vector<std::string> expected = {"delete " + key + "@" + std::to_string(deleted)};
    EXPECT_EQ(Events(deleted), expected) << "before the purge";
    PurgeToTheEnd();
    EXPECT_EQ(Events(deleted), expected) << "after the purge";
    CrashAndReplay();
    PurgeToTheEnd();
    EXPECT_EQ(Events(deleted), expected) << "after a restart";
  }
}

// Puts and deletes of the same few keys inside one transaction, and ranges over them behind it and inside it.
TEST_F(StoreRegression, RK12_PutsAndDeletesOfOneKeyInATransactionAreReadAsWritten) {
  Random random(12);
  const auto key = [&random] { return std::string(1, static_cast<char>('a' + random.Below(4))); };
  for (int i = 0; i < 2000 && !HasFailure(); ++i) {
    api::TxnRequest txn;
    std::set<std::string> put;
    for (uint64_t left = 2 + random.Below(5); left > 0; --left) {
      const std::string one = key();
      switch (random.Below(3)) {
        case 0:
          if (put.insert(one).second) txn.success.emplace_back(api::PutRequest{.key = one, .value = std::to_string(i)});
          break;
        case 1:
          txn.success.emplace_back(api::DeleteRangeRequest{.key = one, .range_end = random.OneIn(3) ? "d" : ""});
          break;
        default:
          txn.success.emplace_back(api::RangeRequest{.key = one, .range_end = "d"});
      }
    }
    Apply(txn);
    Read({.key = "a", .range_end = "z"});
    Read({.key = key()});
    Read({.key = "b", .range_end = "d", .revision = {model_.revision()}});
    if (random.OneIn(200)) CrashAndReplay();
  }
}

// After every entry: the keys that a lease lists are those whose newest version names the lease.
TEST_F(StoreRegression, RK35_LeasesAndKeysNameEachOtherAtEveryIndex) {
  Random random(35);
  const auto key = [&random] { return std::string(1, static_cast<char>('a' + random.Below(6))); };
  int attached = 0;
  for (int i = 0; i < 4000 && !HasFailure(); ++i) {
    const int64_t lease = static_cast<int64_t>(1 + random.Below(4));
    switch (random.Below(8)) {
      case 0:
        Apply(api::LeaseGrantRequest{.id = {lease}, .ttl = 10});
        break;
      case 1:
        if (random.OneIn(3)) Apply(api::LeaseRevokeRequest{.id = {lease}});
        break;
      case 2:
        Apply(api::DeleteRangeRequest{.key = key(), .range_end = random.OneIn(6) ? "z" : ""});
        break;
      case 3:
        Apply(api::PutRequest{.key = key(), .value = "v", .ignore_lease = true});
        break;
      case 4: {
        api::TxnRequest txn;
        txn.success = {api::PutRequest{.key = "a", .value = "v", .lease = {lease}}, api::DeleteRangeRequest{.key = "b"},
                       api::PutRequest{.key = "c", .value = "v", .lease = {1 + lease % 4}}};
        Apply(txn);
        break;
      }
      default:
        Apply(api::PutRequest{.key = key(), .value = "v", .lease = {random.OneIn(3) ? 0 : lease}});
    }
    std::map<int64_t, std::vector<std::string>> by_key;
    const auto all = subject_.machine().view()->Range({.key = "a", .range_end = "z"});
    ASSERT_TRUE(all.ok()) << all.status();
    const std::vector<KeyValue> kvs = DecodeList(all->kvs).value();
    for (const KeyValue& kv : kvs) {
      if (kv.lease != 0) by_key[kv.lease].push_back(kv.key);
    }
    for (int64_t id = 1; id <= 4; ++id) {
      EXPECT_EQ(subject_.machine().LeaseKeys({id}), by_key[id]) << "lease " << id << " and its keys at entry " << i;
      EXPECT_TRUE(by_key[id].empty() || subject_.machine().FindLease({id})) << "keys of a lease that is gone";
      attached += static_cast<int>(by_key[id].size());
    }
    if (random.OneIn(300)) CrashAndReplay();
  }
  EXPECT_GT(attached, 1000) << "nothing was tested";
}

// A purge was planned on the store that a snapshot replaces meanwhile. The planted bug takes both stores for one.
TEST(ReplacedStore, RK14_APurgeThatWasPlannedBeforeASnapshotTouchesNothingOfIt) {
  const auto apply = [](storage::StateMachine& machine, uint64_t index, const api::WriteRequest& request) {
    const raft::Entry entry{
        .index = {index},
        .term = {1},
        .type = raft::EntryType::kNormal,
        .data = storage::EncodeCommand({.request = {.node = 7, .sequence = index}, .body = request})};
    machine.Apply({&entry, 1}, [](std::string_view) { return false; });
  };
  const std::vector<api::WriteRequest> history = {
      api::PutRequest{.key = "key", .value = "1"}, api::DeleteRangeRequest{.key = "key"},
      api::PutRequest{.key = "other", .value = "1"}, api::CompactionRequest{.revision = {4}},
      api::PutRequest{.key = "key", .value = "again"}};
  const uint64_t generation = regress::PlantedBug() == "purge_of_another_store" ? 1 : 2;
  auto old_store = *storage::StateMachine::Open(
      std::make_shared<storage::MemoryEngine>(std::make_shared<storage::MemoryDisk>(), 1), {});
  auto snapshot = std::make_shared<storage::MemoryEngine>(std::make_shared<storage::MemoryDisk>(), generation);
  {
    auto leader = *storage::StateMachine::Open(snapshot, {});
    for (size_t i = 0; i < history.size(); ++i) apply(*leader, i + 1, history[i]);
    // The leader has purged already.
    while (const auto plan = leader->PlanPurge(*leader->view(), 100)) leader->RunPurge(*plan);
    apply(*leader, history.size() + 1, api::DeleteRangeRequest{.key = "key"});
    apply(*leader, history.size() + 2, api::PutRequest{.key = "key", .value = "for good"});
  }
  for (size_t i = 0; i + 1 < history.size(); ++i) apply(*old_store, i + 1, history[i]);
  const std::optional<storage::PurgePlan> plan = old_store->PlanPurge(*old_store->view(), 100);
  ASSERT_TRUE(plan.has_value());
  ASSERT_FALSE(plan->tombstone_keys.empty());
  old_store->Replace(snapshot);
  const auto rows = [&] {
    std::map<std::string, std::string> all;
    const auto iterator = snapshot->Iterate(std::string(8, '\xff'), storage::Scope::kAll);
    for (iterator->Seek(""); iterator->Valid(); iterator->Next()) all.emplace(iterator->row(), iterator->value());
    return all;
  };
  const auto before = rows();
  old_store->RunPurge(*plan);
  EXPECT_EQ(rows(), before) << "a purge of another store";
}

}  // namespace
}  // namespace regent::model
