#include "api/service/encode.h"

#include <memory>
#include <random>
#include <string>

#include "api/contract/proto/cluster.pb.h"
#include "api/contract/proto/lease.pb.h"
#include "api/contract/proto/maintenance.pb.h"
#include "api/contract/proto/range.pb.h"
#include "api/contract/proto/watch.pb.h"
#include "api/contract/wire.h"
#include "gtest/gtest.h"
#include "tests/api/oracle.h"

namespace regent::api {
namespace {

namespace pb = etcdserverpb;

const Header kHeader{.cluster_id = 0xfedcba9876543210, .member_id = 2, .revision = {300}, .raft_term = 4};

void Set(const Header& header, pb::ResponseHeader* out) {
  out->set_cluster_id(header.cluster_id);
  out->set_member_id(header.member_id);
  out->set_revision(header.revision.value);
  out->set_raft_term(header.raft_term);
}

std::string Joined(const WireMessage& message) {
  std::string out;
  for (const SharedBytes& piece : message) out += *piece;
  return out;
}

std::string RestOf(const mvccpb::KeyValue& kv) {
  return EncodeKeyValueRest({kv.create_revision()}, {kv.mod_revision()}, kv.version(), kv.value(), {kv.lease()});
}

// Random results together with the message that says the same.
class Twins {
 public:
  explicit Twins(uint64_t seed) : random_(seed) {}

  RangeResult Range(pb::RangeResponse& twin) {
    RangeResult result{.revision = {Number()}, .more = Chance(), .count = Number()};
    FillList(result.kvs, [&] { return twin.add_kvs(); });
    twin.set_more(result.more);
    twin.set_count(result.count);
    return result;
  }

  PutResult Put(pb::PutResponse& twin) {
    PutResult result{.revision = {Number()}};
    if (Chance()) {
      FillAtRandom(*twin.mutable_prev_kv(), random_);
      result.prev_kv = twin.prev_kv().SerializeAsString();
    }
    return result;
  }

  DeleteRangeResult Delete(pb::DeleteRangeResponse& twin) {
    DeleteRangeResult result{.revision = {Number()}, .deleted = Number()};
    FillList(result.prev_kvs, [&] { return twin.add_prev_kvs(); });
    twin.set_deleted(result.deleted);
    return result;
  }

  TxnResult Txn(pb::TxnResponse& twin, int depth) {
    TxnResult result{.revision = {Number()}, .succeeded = Chance()};
    twin.set_succeeded(result.succeeded);
    for (int64_t n = Number() % 4; n > 0; --n) result.responses.push_back(Op(*twin.add_responses(), depth));
    return result;
  }

 private:
  ResponseOp Op(pb::ResponseOp& twin, int depth) {
    switch (random_() % (depth == 0 ? 3 : 4)) {
      case 0: {
        RangeResult result = Range(*twin.mutable_response_range());
        twin.mutable_response_range()->mutable_header()->set_revision(result.revision.value);
        return result;
      }
      case 1: {
        PutResult result = Put(*twin.mutable_response_put());
        twin.mutable_response_put()->mutable_header()->set_revision(result.revision.value);
        return result;
      }
      case 2: {
        DeleteRangeResult result = Delete(*twin.mutable_response_delete_range());
        twin.mutable_response_delete_range()->mutable_header()->set_revision(result.revision.value);
        return result;
      }
      default: {
        auto result = std::make_shared<const TxnResult>(Txn(*twin.mutable_response_txn(), depth - 1));
        twin.mutable_response_txn()->mutable_header();  // there, and empty
        return result;
      }
    }
  }

  template <typename AddTwin>
  void FillList(KeyValueList& list, AddTwin add_twin) {
    for (uint64_t n = random_() % 4; n > 0; --n) {
      mvccpb::KeyValue& kv = *add_twin();
      FillAtRandom(kv, random_);
      list.Add(kv.key(), RestOf(kv));
    }
  }

  int64_t Number() { return static_cast<int64_t>(random_() % 1000); }
  bool Chance() { return random_() % 2 == 0; }

  std::mt19937_64 random_;
};

TEST(Encode, AnswersOfKeysAndValuesHaveTheBytesOfTheProtobufLibrary) {
  Twins twins(1);
  for (int i = 0; i < 5'000; ++i) {
    pb::RangeResponse range;
    pb::PutResponse put;
    pb::DeleteRangeResponse deleted;
    pb::TxnResponse txn;
    const auto range_result = std::make_shared<const RangeResult>(twins.Range(range));
    const auto put_result = std::make_shared<const PutResult>(twins.Put(put));
    const auto delete_result = std::make_shared<const DeleteRangeResult>(twins.Delete(deleted));
    const auto txn_result = std::make_shared<const TxnResult>(twins.Txn(txn, 3));
    Set(kHeader, range.mutable_header());
    Set(kHeader, put.mutable_header());
    Set(kHeader, deleted.mutable_header());
    Set(kHeader, txn.mutable_header());
    ASSERT_EQ(Joined(Encode(kHeader, range_result)), range.SerializeAsString());
    ASSERT_EQ(Joined(Encode(kHeader, put_result)), put.SerializeAsString());
    ASSERT_EQ(Joined(Encode(kHeader, delete_result)), deleted.SerializeAsString());
    ASSERT_EQ(Joined(Encode(kHeader, txn_result)), txn.SerializeAsString()) << txn.ShortDebugString();
  }
}

TEST(Encode, ASmallAnswerIsOnePiece) {
  RangeResult result{.count = 1};
  result.kvs.Add("key", EncodeKeyValueRest({1}, {2}, 3, std::string(256, 'v'), {0}));
  EXPECT_EQ(Encode(kHeader, std::make_shared<const RangeResult>(std::move(result))).size(), 1u);
}

TEST(Encode, ALargeAnswerIsSentFromWhereItLies) {
  auto result = std::make_shared<RangeResult>();
  for (int i = 0; i < 10; ++i) result->kvs.Add("key", EncodeKeyValueRest({1}, {2}, 3, std::string(100'000, 'v'), {0}));
  const WireMessage message = Encode(kHeader, std::shared_ptr<const RangeResult>(result));
  const auto& chunks = result->kvs.chunks();
  ASSERT_EQ(message.size(), chunks.size() + 1);
  for (size_t i = 0; i < chunks.size(); ++i) EXPECT_EQ(message[i + 1].get(), &chunks[i]);
  std::weak_ptr<const RangeResult> watched = result;
  result.reset();
  EXPECT_FALSE(watched.expired()) << "the pieces keep the answer alive";
}

TEST(Encode, AnEmptyAnswerIsOneEmptyPiece) {
  const WireMessage message = MessageBuilder().Take();
  ASSERT_EQ(message.size(), 1u);
  EXPECT_TRUE(message[0]->empty());
}

TEST(Encode, LeaseAnswersSayWhatTheResultsSay) {
  pb::LeaseGrantResponse grant;
  ASSERT_TRUE(grant.ParseFromString(Encode(kHeader, LeaseGrantResult{.revision = {300}, .id = {-7}, .ttl = 60})));
  EXPECT_EQ(grant.ShortDebugString(),
            "header { cluster_id: 18364758544493064720 member_id: 2 revision: 300 raft_term: 4 } ID: -7 TTL: 60");

  pb::LeaseKeepAliveResponse keep_alive;
  ASSERT_TRUE(keep_alive.ParseFromString(Encode(Header{}, {7}, LeaseKeepAliveResult{.revision = {1}, .ttl = 0})));
  EXPECT_EQ(keep_alive.ShortDebugString(), "header { } ID: 7");

  pb::LeaseTimeToLiveResponse time_to_live;
  ASSERT_TRUE(time_to_live.ParseFromString(
      Encode(Header{}, {7}, LeaseTimeToLiveResult{.ttl = -1, .granted_ttl = 5, .keys = {"a", ""}})));
  EXPECT_EQ(time_to_live.ShortDebugString(), "header { } ID: 7 TTL: -1 grantedTTL: 5 keys: \"a\" keys: \"\"");

  pb::LeaseLeasesResponse leases;
  ASSERT_TRUE(leases.ParseFromString(Encode(Header{}, LeaseLeasesResult{.leases = {{3}, {-1}}})));
  EXPECT_EQ(leases.ShortDebugString(), "header { } leases { ID: 3 } leases { ID: -1 }");

  pb::LeaseRevokeResponse revoke;
  ASSERT_TRUE(revoke.ParseFromString(EncodeHeaderOnly(Header{.revision = {9}})));
  EXPECT_EQ(revoke.ShortDebugString(), "header { revision: 9 }");
}

TEST(Encode, MembersAreListedWithAllTheyHave) {
  const std::vector<Member> members = {
      {.id = 1, .name = "a", .peer_urls = {"p1", "p2"}, .client_urls = {"c"}, .is_learner = false},
      {.id = 2, .peer_urls = {"p3"}, .is_learner = true}};
  pb::MemberListResponse response;
  ASSERT_TRUE(response.ParseFromString(Encode(Header{}, members)));
  EXPECT_EQ(response.ShortDebugString(),
            "header { } members { ID: 1 name: \"a\" peerURLs: \"p1\" peerURLs: \"p2\" clientURLs: \"c\" } "
            "members { ID: 2 peerURLs: \"p3\" isLearner: true }");
}

TEST(Encode, AStatusNamesTheVersionsTheMissingLeaderAndTheAlarms) {
  const StatusResult status{
      .revision = {9},
      .db_size = 100,
      .db_size_in_use = 50,
      .db_size_quota = 2147483648,
      .leader = 0,
      .raft_index = 5,
      .raft_applied_index = 4,
      .raft_term = 3,
      .is_learner = true,
      .alarms = {{.member_id = 12, .alarm = AlarmType::kNoSpace}, {.member_id = 13, .alarm = AlarmType::kCorrupt}}};
  pb::StatusResponse response;
  ASSERT_TRUE(response.ParseFromString(Encode(Header{}, status)));
  EXPECT_EQ(response.ShortDebugString(),
            "header { } version: \"3.7.3\" dbSize: 100 raftIndex: 5 raftTerm: 3 raftAppliedIndex: 4 "
            "errors: \"etcdserver: no leader\" errors: \"memberID:12 alarm:NOSPACE\" "
            "errors: \"memberID:13 alarm:CORRUPT\" dbSizeInUse: 50 isLearner: true storageVersion: \"3.7.0\" "
            "dbSizeQuota: 2147483648 downgradeInfo { }");
}

TEST(Encode, AlarmsAreListed) {
  pb::AlarmResponse response;
  ASSERT_TRUE(response.ParseFromString(
      Encode(Header{}, AlarmResult{.alarms = {{.member_id = 1, .alarm = AlarmType::kNoSpace}}})));
  EXPECT_EQ(response.ShortDebugString(), "header { } alarms { memberID: 1 alarm: NOSPACE }");
}

// ---- watches
// ---------------------------------------------------------------------------------------------------------

SharedBytes EventOf(size_t value_size) {
  return std::make_shared<const std::string>(EncodeWatchEvent(
      EventType::kPut, "key", EncodeKeyValueRest({1}, {2}, 3, std::string(value_size, 'v'), {0}), std::nullopt));
}

TEST(Encode, AWatchMessageHasEveryField) {
  const WatchMessage message{.watch_id = -1,
                             .revision = {300},
                             .created = true,
                             .canceled = true,
                             .compact_revision = {8},
                             .cancel_reason = "why"};
  const auto parts = Encode(kHeader, message, 1000);
  ASSERT_EQ(parts.size(), 1u);
  pb::WatchResponse response;
  ASSERT_TRUE(response.ParseFromString(Joined(parts[0])));
  EXPECT_EQ(response.ShortDebugString(),
            "header { cluster_id: 18364758544493064720 member_id: 2 revision: 300 raft_term: 4 } watch_id: -1 "
            "created: true canceled: true compact_revision: 8 cancel_reason: \"why\"");
}

TEST(Encode, LargeEventsAreSharedByAllWhoGetThem) {
  WatchMessage message{.events = {EventOf(10), EventOf(5000), EventOf(20), EventOf(30)}};
  const auto parts = Encode(kHeader, message, 10);
  ASSERT_EQ(parts.size(), 1u) << "not marked: never split";
  ASSERT_EQ(parts[0].size(), 3u);
  EXPECT_EQ(parts[0][1].get(), message.events[1].get());
  pb::WatchResponse response;
  ASSERT_TRUE(response.ParseFromString(Joined(parts[0])));
  EXPECT_EQ(response.events_size(), 4);
}

TEST(Encode, AMarkedMessageIsSplitAtItsLimitAndSaysThatMoreFollows) {
  WatchMessage message{.watch_id = 5, .fragment = true};
  for (int i = 0; i < 10; ++i) message.events.push_back(EventOf(100));
  message.events.push_back(EventOf(5000));
  message.events.push_back(EventOf(100));
  const auto parts = Encode(kHeader, message, 400);
  int events = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    pb::WatchResponse response;
    ASSERT_TRUE(response.ParseFromString(Joined(parts[i])));
    EXPECT_EQ(response.fragment(), i + 1 < parts.size());
    EXPECT_EQ(response.watch_id(), 5);
    EXPECT_TRUE(response.has_header());
    EXPECT_TRUE(Joined(parts[i]).size() <= 402 || response.events_size() == 1) << Joined(parts[i]).size();
    events += response.events_size();
  }
  EXPECT_EQ(events, 12);
  EXPECT_GT(parts.size(), 4u);
}

TEST(Encode, AMarkedMessageThatFitsIsSentWhole) {
  const WatchMessage message{.fragment = true, .events = {EventOf(10), EventOf(10)}};
  const auto parts = Encode(kHeader, message, 400);
  ASSERT_EQ(parts.size(), 1u);
  pb::WatchResponse response;
  ASSERT_TRUE(response.ParseFromString(Joined(parts[0])));
  EXPECT_FALSE(response.fragment());
}

}  // namespace
}  // namespace regent::api
