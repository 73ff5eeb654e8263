// Puts, deletes, leases and alarms, one rule a test.
#include <string>
#include <vector>

#include "api/contract/errors.h"
#include "api/contract/limits.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "raft/configuration.h"
#include "tests/storage/store_fixture.h"

namespace regent::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(StorePut, AFreshStoreIsAtRevisionOneAndTheFirstWriteMakesTwo) {
  Store store;
  EXPECT_EQ(store.view()->revision().value, 1);
  EXPECT_EQ(store.Put("a", "1"), 2);
  EXPECT_EQ(store.view()->revision().value, 2);
}

TEST(StorePut, TheSameValueAgainIsANewRevisionAndVersion) {
  Store store;
  store.Put("a", "1");
  store.Put("a", "1");
  EXPECT_EQ(store.Get("a"), (KeyValue{"a", 2, 3, 2, "1", 0}));
}

TEST(StorePut, AKeyThatWasDeletedStartsAgainAtVersionOne) {
  Store store;
  store.Put("a", "1");
  store.Delete("a");
  store.Put("a", "2");
  EXPECT_EQ(store.Get("a"), (KeyValue{"a", 4, 4, 1, "2", 0}));
  EXPECT_EQ(store.Get("a", 3), std::nullopt);
  EXPECT_EQ(store.Get("a", 2), (KeyValue{"a", 2, 2, 1, "1", 0}));
}

TEST(StorePut, PrevKvIsTheWholeOldKeyValue) {
  Store store;
  store.Put("a", "old");
  const auto result = store.Apply(api::PutRequest{.key = "a", .value = "new", .prev_kv = true});
  EXPECT_EQ(DecodeKeyValue(*std::get<api::PutResult>(*result).prev_kv), (KeyValue{"a", 2, 2, 1, "old", 0}));
  const auto first = store.Apply(api::PutRequest{.key = "b", .value = "new", .prev_kv = true});
  EXPECT_EQ(std::get<api::PutResult>(*first).prev_kv, std::nullopt);
}

TEST(StorePut, IgnoreValueKeepsALargeValueAndTakesTheNewLease) {
  Store store;
  ASSERT_TRUE(store.Grant(7).ok());
  const std::string large(100'000, 'x');
  store.Put("a", large);
  ASSERT_TRUE(store.Apply(api::PutRequest{.key = "a", .lease = {7}, .ignore_value = true}).ok());
  EXPECT_EQ(store.Get("a"), (KeyValue{"a", 2, 3, 2, large, 7}));
}

TEST(StorePut, IgnoreLeaseKeepsTheLease) {
  Store store;
  ASSERT_TRUE(store.Grant(7).ok());
  store.Put("a", "1", 7);
  ASSERT_TRUE(store.Apply(api::PutRequest{.key = "a", .value = "2", .ignore_lease = true}).ok());
  EXPECT_EQ(store.Get("a"), (KeyValue{"a", 2, 3, 2, "2", 7}));
  EXPECT_THAT(store.machine().LeaseKeys({7}), ElementsAre("a"));
}

TEST(StorePut, IgnoreOnAMissingKeyIsKeyNotFoundAndWritesNothing) {
  Store store;
  EXPECT_EQ(store.Apply(api::PutRequest{.key = "a", .ignore_value = true}).status(), api::ErrKeyNotFound());
  EXPECT_EQ(store.Apply(api::PutRequest{.key = "a", .ignore_lease = true}).status(), api::ErrKeyNotFound());
  EXPECT_EQ(store.view()->revision().value, 1);
}

TEST(StorePut, AnUnknownLeaseIsAnErrorAndWritesNothing) {
  Store store;
  EXPECT_EQ(store.Apply(api::PutRequest{.key = "a", .lease = {9}}).status(), api::ErrLeaseNotFound());
  EXPECT_EQ(store.view()->revision().value, 1);
  EXPECT_EQ(store.view()->logical_size(), 0);
}

TEST(StoreDelete, ADeleteOfNothingMakesNoRevision) {
  Store store;
  store.Put("a", "1");
  EXPECT_EQ(store.Delete("b"), 2);
  EXPECT_EQ(store.Delete("b", "z"), 2);
  EXPECT_EQ(store.Delete("z", "a"), 2);
  EXPECT_EQ(store.outcome().events, nullptr);
}

TEST(StoreDelete, ARangeIsOneRevisionAndReturnsItsKeysInOrder) {
  Store store;
  for (const char* key : {"c", "a", "b", "d"}) store.Put(key, key);
  const auto result = store.Apply(api::DeleteRangeRequest{.key = "a", .range_end = "d", .prev_kv = true});
  const auto& deleted = std::get<api::DeleteRangeResult>(*result);
  EXPECT_EQ(deleted.deleted, 3);
  EXPECT_EQ(deleted.revision.value, 6);
  std::vector<std::string> keys;
  for (const KeyValue& kv : DecodeList(deleted.prev_kvs)) keys.push_back(kv.key);
  EXPECT_THAT(keys, ElementsAre("a", "b", "c"));
  EXPECT_EQ(store.Count(kFirstKey, kNoEnd), 1);
  EXPECT_EQ(store.Count(kFirstKey, kNoEnd, 5), 4);
}

TEST(StoreLease, APutWithoutLeaseDetachesAndAnotherLeaseMoves) {
  Store store;
  ASSERT_TRUE(store.Grant(1).ok());
  ASSERT_TRUE(store.Grant(2).ok());
  store.Put("a", "", 1);
  store.Put("b", "", 1);
  EXPECT_THAT(store.machine().LeaseKeys({1}), ElementsAre("a", "b"));
  store.Put("a", "");
  store.Put("b", "", 2);
  EXPECT_THAT(store.machine().LeaseKeys({1}), IsEmpty());
  EXPECT_THAT(store.machine().LeaseKeys({2}), ElementsAre("b"));
  store.Delete("b");
  EXPECT_THAT(store.machine().LeaseKeys({2}), IsEmpty());
}

TEST(StoreLease, ARevokeDeletesItsKeysSortedInOneRevision) {
  Store store;
  ASSERT_TRUE(store.Grant(5).ok());
  for (const char* key : {"c", "a", "b"}) store.Put(key, "x", 5);
  const auto result = store.Apply(api::LeaseRevokeRequest{.id = {5}});
  EXPECT_EQ(std::get<api::LeaseRevokeResult>(*result).revision.value, 5);
  std::vector<std::string> keys;
  for (const Event& event : store.outcome().events->events) {
    EXPECT_EQ(event.type, Event::Type::kDelete);
    EXPECT_EQ(event.revision.value, 5);
    keys.push_back(event.key);
  }
  EXPECT_THAT(keys, ElementsAre("a", "b", "c"));
  EXPECT_EQ(store.machine().FindLease({5}), std::nullopt);
  EXPECT_EQ(store.Apply(api::LeaseRevokeRequest{.id = {5}}).status(), api::ErrLeaseNotFound());
}

TEST(StoreLease, ARevokeWithoutKeysMakesNoRevision) {
  Store store;
  ASSERT_TRUE(store.Grant(5).ok());
  EXPECT_TRUE(store.Apply(api::LeaseRevokeRequest{.id = {5}}).ok());
  EXPECT_EQ(store.view()->revision().value, 1);
}

TEST(StoreLease, AKeyAttachedInTheSameTurnIsRevokedWithIt) {
  Store store;
  const std::vector<raft::Entry> turn = {
      Store::EntryOf(1, api::LeaseGrantRequest{.id = {5}, .ttl = 10}),
      Store::EntryOf(2, api::PutRequest{.key = "a", .lease = {5}}),
      Store::EntryOf(3, api::PutRequest{.key = "b", .lease = {5}}),
      Store::EntryOf(4, api::PutRequest{.key = "b"}),
      Store::EntryOf(5, api::LeaseRevokeRequest{.id = {5}}),
  };
  const ApplyOutcome outcome = store.ApplyTurn(turn);
  EXPECT_EQ(store.Get("a"), std::nullopt);
  EXPECT_NE(store.Get("b"), std::nullopt);
  EXPECT_EQ(outcome.leases.size(), 2u);
}

TEST(StoreLease, ATakenIdIsLeaseExistsAndANegativeIdIsAnId) {
  Store store;
  EXPECT_TRUE(store.Grant(-3).ok());
  EXPECT_EQ(store.Grant(-3), api::ErrLeaseExists());
  store.Put("a", "", -3);
  EXPECT_THAT(store.machine().LeaseKeys({-3}), ElementsAre("a"));
  EXPECT_EQ(store.Grant(4, 9'000'000'001), api::ErrLeaseTtlTooLarge());
}

TEST(StoreLease, ARevokeByALeaderOfAnotherTermIsRefused) {
  Store store;
  ASSERT_TRUE(store.Grant(5).ok());
  EXPECT_FALSE(store.Apply(api::LeaseRevokeRequest{.id = {5}}, /*leader_term=*/2).ok());
  EXPECT_NE(store.machine().FindLease({5}), std::nullopt);
  EXPECT_TRUE(store.Apply(api::LeaseRevokeRequest{.id = {5}}, /*leader_term=*/1).ok());
}

TEST(StoreLease, AnExpiryEndsEachLeaseAtARevisionOfItsOwn) {
  Store store;
  for (const int64_t id : {5, 6, 7}) ASSERT_TRUE(store.Grant(id).ok());
  for (const char* key : {"c", "a"}) store.Put(key, "x", 7);
  store.Put("b", "x", 5);
  const int64_t before = store.view()->revision().value;
  const auto result = store.Apply(api::LeaseExpiryRequest{.ids = {{7}, {99}, {6}, {5}, {7}}});
  EXPECT_EQ(std::get<api::LeaseExpiryResult>(*result).revision.value, before + 2);
  std::vector<std::string> events;
  for (const Event& event : store.outcome().events->events) {
    events.push_back(event.key + "@" + std::to_string(event.revision.value - before));
  }
  EXPECT_THAT(events, ElementsAre("a@1", "c@1", "b@2"));
  EXPECT_EQ(store.outcome().leases.size(), 3u);
  EXPECT_THAT(store.machine().Leases(), IsEmpty());
  EXPECT_EQ(store.outcome().answers[0].count, 5u);
}

TEST(StoreLease, AnExpiryByALeaderOfAnotherTermIsRefused) {
  Store store;
  ASSERT_TRUE(store.Grant(5).ok());
  EXPECT_FALSE(store.Apply(api::LeaseExpiryRequest{.ids = {{5}}}, /*leader_term=*/2).ok());
  EXPECT_NE(store.machine().FindLease({5}), std::nullopt);
}

// The numbers are what etcd's counters move by.
TEST(StoreCounts, OperationsAreCountedAsEtcdCountsThem) {
  Store store;
  const auto counts = [&store](api::WriteRequest request) {
    (void)store.Apply(std::move(request));
    return store.outcome().operations;
  };
  const api::PutRequest put{.key = "ab", .value = "xyz"};
  EXPECT_EQ(counts(put), (OperationCounts{.puts = 1, .put_bytes = 5}));
  EXPECT_EQ(counts(api::PutRequest{.key = "ab", .prev_kv = true}),
            (OperationCounts{.ranges = 1, .puts = 1, .txns = 1, .put_bytes = 2}));
  EXPECT_EQ(counts(api::PutRequest{.key = "none", .ignore_value = true}), (OperationCounts{.ranges = 1}));
  EXPECT_EQ(counts(api::PutRequest{.key = "ab", .lease = {77}}), OperationCounts{});
  EXPECT_EQ(counts(api::DeleteRangeRequest{.key = "none"}), (OperationCounts{.deletes = 1}));
  api::TxnRequest one;
  one.compare = {{.target = api::Compare::Target::kMod, .key = "ab"}};
  one.failure = {put};
  EXPECT_EQ(counts(one), (OperationCounts{.ranges = 1, .puts = 1, .put_bytes = 5}));
  one.failure.emplace_back(api::RangeRequest{.key = "ab"});
  EXPECT_EQ(counts(one), (OperationCounts{.ranges = 2, .puts = 1, .txns = 1, .put_bytes = 5}));
  ASSERT_TRUE(store.Grant(5).ok());
  store.Put("a", "", 5);
  store.Put("b", "", 5);
  EXPECT_EQ(counts(api::LeaseRevokeRequest{.id = {5}}), (OperationCounts{.deletes = 2, .txns = 1}));
  EXPECT_EQ(counts(api::CompactionRequest{.revision = {2}}), (OperationCounts{.ranges = 1}));
}

TEST(StoreLease, LeasesAndTheirKeysSurviveARestart) {
  Store store;
  ASSERT_TRUE(store.Grant(5, 77).ok());
  store.Put("a", "", 5);
  ASSERT_TRUE(store.machine().Flush().ok());
  store.Crash();
  ASSERT_EQ(store.machine().Leases().size(), 1u);
  EXPECT_EQ(store.machine().Leases()[0].ttl, 77);
  EXPECT_THAT(store.machine().LeaseKeys({5}), ElementsAre("a"));
}

api::AlarmRequest Alarm(api::AlarmAction action, api::AlarmType type, uint64_t member = 1) {
  return {.action = action, .member_id = member, .alarm = type};
}

TEST(StoreAlarm, NoSpaceRefusesWhatAddsAndAllowsTheRest) {
  Store store;
  ASSERT_TRUE(store.Grant(1).ok());
  store.Put("a", "1");
  ASSERT_TRUE(store.Apply(Alarm(api::AlarmAction::kActivate, api::AlarmType::kNoSpace)).ok());
  EXPECT_TRUE(store.outcome().alarms_changed);
  EXPECT_EQ(store.Apply(api::PutRequest{.key = "b"}).status(), api::ErrNoSpace());
  EXPECT_EQ(store.Grant(2), api::ErrNoSpace());
  EXPECT_EQ(store.Grant(2, api::kLeaseTtlSecondsMax + 1), api::ErrNoSpace());
  api::TxnRequest writes{.failure = {api::PutRequest{.key = "b"}}};
  EXPECT_EQ(store.Txn(writes).status(), api::ErrNoSpace());
  EXPECT_TRUE(store.Txn({.success = {api::RangeRequest{.key = "a"}, api::DeleteRangeRequest{.key = "a"}}}).ok());
  EXPECT_TRUE(store.Compact(2).ok());
  EXPECT_TRUE(store.Apply(api::LeaseRevokeRequest{.id = {1}}).ok());
  ASSERT_TRUE(store.Apply(Alarm(api::AlarmAction::kDeactivate, api::AlarmType::kNoSpace)).ok());
  EXPECT_TRUE(store.Apply(api::PutRequest{.key = "b"}).ok());
}

TEST(StoreAlarm, CorruptRefusesEverythingButAlarms) {
  Store store;
  ASSERT_TRUE(store.Apply(Alarm(api::AlarmAction::kActivate, api::AlarmType::kCorrupt)).ok());
  EXPECT_EQ(store.Apply(api::PutRequest{.key = "b"}).status(), api::ErrCorrupt());
  EXPECT_EQ(store.Apply(api::DeleteRangeRequest{.key = "b"}).status(), api::ErrCorrupt());
  EXPECT_EQ(store.Compact(1), api::ErrCorrupt());
  EXPECT_EQ(store.Apply(api::LeaseRevokeRequest{.id = {1}}).status(), api::ErrCorrupt());
  EXPECT_EQ(store.Grant(1, api::kLeaseTtlSecondsMax + 1), api::ErrCorrupt());
}

TEST(StoreAlarm, AlarmsSurviveARestartAndAreAnsweredInOrder) {
  Store store;
  ASSERT_TRUE(store.Apply(Alarm(api::AlarmAction::kActivate, api::AlarmType::kNoSpace, 9)).ok());
  ASSERT_TRUE(store.Apply(Alarm(api::AlarmAction::kActivate, api::AlarmType::kNoSpace, 300)).ok());
  ASSERT_TRUE(store.machine().Flush().ok());
  store.Crash();
  const auto result = store.Apply(Alarm(api::AlarmAction::kGet, api::AlarmType::kNone));
  EXPECT_THAT(std::get<api::AlarmResult>(*result).alarms, ElementsAre(api::AlarmMember{9, api::AlarmType::kNoSpace},
                                                                      api::AlarmMember{300, api::AlarmType::kNoSpace}));
}

TEST(StoreQuota, ARequestOverTheQuotaIsAppliedAndAnsweredNoSpace) {
  Store store(StateMachineOptions{.quota_bytes = kEmptyStoreBytes + 2000});
  EXPECT_TRUE(store.Apply(api::PutRequest{.key = "a", .value = std::string(1000, 'x')}).ok());
  EXPECT_FALSE(store.outcome().over_quota);
  EXPECT_EQ(store.Apply(api::PutRequest{.key = "a", .value = std::string(1000, 'y')}).status(), api::ErrNoSpace());
  EXPECT_TRUE(store.outcome().over_quota);
  EXPECT_EQ(store.Get("a")->value[0], 'y');
  EXPECT_TRUE(store.Apply(api::DeleteRangeRequest{.key = "a"}).ok());
}

TEST(StoreQuota, AFailedRequestOverTheQuotaHasItsOwnErrorAndRaisesNothing) {
  Store store(StateMachineOptions{.quota_bytes = 1});
  EXPECT_EQ(store.Apply(api::PutRequest{.key = "a", .lease = {7}}).status(), api::ErrLeaseNotFound());
  EXPECT_FALSE(store.outcome().over_quota);
}

TEST(StoreQuota, LeasesCountAndANegativeQuotaIsNone) {
  Store store(StateMachineOptions{.quota_bytes = kEmptyStoreBytes + 3 * kLeaseBytes});
  EXPECT_TRUE(store.Grant(1).ok());
  EXPECT_TRUE(store.Grant(2).ok());
  EXPECT_EQ(store.Grant(3), api::ErrNoSpace());
  EXPECT_EQ(store.view()->logical_size(), 3 * kLeaseBytes);
  EXPECT_TRUE(FitsQuota(api::PutRequest{}, int64_t{1} << 60, -1));
}

// What operators' tests do: write one key until the quota says no, compact, defragment, disarm, write again.
TEST(StoreQuota, CompactionOfOverwrittenValuesMakesRoomAgain) {
  Store store(StateMachineOptions{.quota_bytes = 53'248});
  const std::string value(4096, 'x');
  int writes = 0;
  while (store.Apply(api::PutRequest{.key = "k", .value = value}).ok()) ++writes;
  EXPECT_GE(writes, 5);
  ASSERT_TRUE(store.Apply(Alarm(api::AlarmAction::kActivate, api::AlarmType::kNoSpace)).ok());
  ASSERT_TRUE(store.Compact(store.view()->revision().value).ok());
  ASSERT_TRUE(store.Apply(Alarm(api::AlarmAction::kDeactivate, api::AlarmType::kNoSpace)).ok());
  EXPECT_TRUE(store.Apply(api::PutRequest{.key = "k", .value = value}).ok());
}

TEST(StoreEntries, NoOpsAndConfigurationsMakeNoRevision) {
  Store store;
  const std::string who = raft::Encode(raft::ConfigurationEntry{.configuration = {.voters = {{7}}}});
  store.ApplyTurn({raft::Entry{.index = {1}, .term = {3}},
                   raft::Entry{.index = {2}, .term = {3}, .type = raft::EntryType::kConfiguration, .data = who}});
  EXPECT_EQ(store.machine().applied().value, 2u);
  EXPECT_EQ(store.machine().applied_term().value, 3u);
  EXPECT_EQ(store.view()->revision().value, 1);
  ASSERT_TRUE(store.machine().Flush().ok());
  store.Crash();
  EXPECT_EQ(store.machine().configuration()->data.str(), who);
  EXPECT_EQ(store.machine().configuration()->index.value, 2u);
}

TEST(StoreEntries, RefusedEntriesAdvanceTheAppliedIndexToo) {
  Store store;
  EXPECT_FALSE(store.Apply(api::LeaseRevokeRequest{.id = {1}}).ok());
  EXPECT_FALSE(store.Compact(7).ok());
  EXPECT_FALSE(store.Apply(api::PutRequest{.key = "a", .lease = {3}}).ok());
  EXPECT_EQ(store.machine().applied().value, 3u);
  EXPECT_EQ(store.machine().PersistedApplied()->value, 0u);
  EXPECT_EQ(store.machine().Flush()->value, 3u);
  store.Crash();
  EXPECT_EQ(store.machine().applied().value, 3u);
}

TEST(StoreEntriesDeathTest, AGapIsABrokenPromise) {
  Store store;
  EXPECT_DEATH(store.ApplyTurn({Store::EntryOf(2, api::PutRequest{.key = "a"})}), "not contiguous");
}

}  // namespace
}  // namespace regent::storage
