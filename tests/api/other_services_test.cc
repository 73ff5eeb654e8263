// Leases, watches, the cluster, maintenance.
#include <string>
#include <utility>
#include <vector>

#include "api/contract/errors.h"
#include "api/contract/limits.h"
#include "api/contract/proto/cluster.pb.h"
#include "api/contract/proto/lease.pb.h"
#include "api/contract/proto/maintenance.pb.h"
#include "api/contract/proto/watch.pb.h"
#include "api/contract/wire.h"
#include "api/service/lease_service.h"
#include "gtest/gtest.h"
#include "tests/api/fakes.h"

namespace regent::api {
namespace {

namespace pb = etcdserverpb;

template <typename Message>
Message Parse(const std::string& bytes) {
  Message message;
  EXPECT_TRUE(message.ParseFromString(bytes));
  return message;
}

// ---- leases
// ----------------------------------------------------------------------------------------------------------

using LeaseServiceTest = ServiceTest;

TEST_F(LeaseServiceTest, AGrantIsProposed) {
  backend_.answer_write = LeaseGrantResult{.revision = {33}, .id = {77}, .ttl = 2};
  const auto call = Unary("/etcdserverpb.Lease/LeaseGrant", "\x08\x01");
  EXPECT_EQ(Parse<pb::LeaseGrantResponse>(call->sent[0]).ShortDebugString(),
            "header { cluster_id: 11 member_id: 22 revision: 33 raft_term: 44 } ID: 77 TTL: 2");
  EXPECT_EQ(std::get<LeaseGrantRequest>(*backend_.proposed), (LeaseGrantRequest{.ttl = 1}));
}

TEST_F(LeaseServiceTest, ARevokeIsProposed) {
  backend_.answer_write = LeaseRevokeResult{.revision = {34}};
  const auto call = Unary("/etcdserverpb.Lease/LeaseRevoke", "\x08\x07");
  EXPECT_EQ(Parse<pb::LeaseRevokeResponse>(call->sent[0]).header().revision(), 34);
  EXPECT_EQ(std::get<LeaseRevokeRequest>(*backend_.proposed).id.value, 7);
}

TEST_F(LeaseServiceTest, TimeToLiveOfAMissingLeaseIsMinusOne) {
  const auto call = Unary("/etcdserverpb.Lease/LeaseTimeToLive", "\x08\x07");
  EXPECT_EQ(Parse<pb::LeaseTimeToLiveResponse>(call->sent[0]).ShortDebugString(),
            "header { cluster_id: 11 member_id: 22 revision: 33 raft_term: 44 } ID: 7 TTL: -1");
}

TEST_F(LeaseServiceTest, LeasesAreListed) {
  backend_.answer_leases = LeaseLeasesResult{.revision = {33}, .leases = {{1}, {2}}};
  EXPECT_EQ(Parse<pb::LeaseLeasesResponse>(Unary("/etcdserverpb.Lease/LeaseLeases", "")->sent[0]).leases_size(), 2);
}

TEST_F(LeaseServiceTest, AKeepAliveStreamAnswersEachRequestAndStaysOpenForAMissingLease) {
  backend_.answer_keep_alive = [](LeaseId id, Done<LeaseKeepAliveResult> done) {
    done(LeaseKeepAliveResult{.revision = {30}, .ttl = id.value == 7 ? 60 : 0});
  };
  auto call = std::make_shared<FakeCall>();
  const auto stream = Open("/etcdserverpb.Lease/LeaseKeepAlive", call);
  stream->OnMessage("\x08\x07");
  stream->OnMessage("\x08\x09");
  ASSERT_EQ(call->sent.size(), 2u);
  EXPECT_EQ(Parse<pb::LeaseKeepAliveResponse>(call->sent[0]).ShortDebugString(),
            "header { cluster_id: 11 member_id: 22 revision: 30 raft_term: 44 } ID: 7 TTL: 60");
  EXPECT_EQ(Parse<pb::LeaseKeepAliveResponse>(call->sent[1]).ttl(), 0);
  EXPECT_FALSE(call->finished.has_value());
  stream->OnHalfClose();
  EXPECT_TRUE(call->finished->ok());
}

TEST_F(LeaseServiceTest, AKeepAliveStreamEndsAfterItsLastAnswerAndAlsoWhenItsHandlerIsGone) {
  std::vector<Done<LeaseKeepAliveResult>> waiting;
  backend_.answer_keep_alive = [&](LeaseId, Done<LeaseKeepAliveResult> done) { waiting.push_back(std::move(done)); };
  auto call = std::make_shared<FakeCall>();
  auto stream = Open("/etcdserverpb.Lease/LeaseKeepAlive", call);
  stream->OnMessage("\x08\x07");
  stream->OnMessage("\x08\x08");
  stream->OnHalfClose();
  waiting[1](LeaseKeepAliveResult{.ttl = 1});
  EXPECT_FALSE(call->finished.has_value());
  stream->OnDone();
  stream.reset();
  waiting[0](LeaseKeepAliveResult{.ttl = 1});
  EXPECT_TRUE(call->finished->ok());
  EXPECT_EQ(call->sent.size(), 2u);
}

TEST_F(LeaseServiceTest, AKeepAliveStreamFailsWithTheErrorOfTheBackend) {
  backend_.answer_keep_alive = [](LeaseId, Done<LeaseKeepAliveResult> done) { done(ErrNoLeader()); };
  auto call = std::make_shared<FakeCall>();
  const auto stream = Open("/etcdserverpb.Lease/LeaseKeepAlive", call);
  stream->OnMessage("\x08\x07");
  EXPECT_EQ(call->finished, ErrNoLeader());
}

TEST_F(LeaseServiceTest, AKeepAliveStreamMayNotPileUpRequests) {
  std::vector<Done<LeaseKeepAliveResult>> waiting;
  backend_.answer_keep_alive = [&](LeaseId, Done<LeaseKeepAliveResult> done) { waiting.push_back(std::move(done)); };
  auto call = std::make_shared<FakeCall>();
  const auto stream = Open("/etcdserverpb.Lease/LeaseKeepAlive", call);
  for (int64_t i = 0; i < kKeepAlivesInFlightMax; ++i) stream->OnMessage("\x08\x07");
  EXPECT_FALSE(call->finished.has_value());
  stream->OnMessage("\x08\x07");
  EXPECT_EQ(call->finished, ErrTooManyRequests());
  EXPECT_EQ(static_cast<int64_t>(waiting.size()), kKeepAlivesInFlightMax);
}

// ---- watches
// ---------------------------------------------------------------------------------------------------------

class WatchServiceTest : public ServiceTest {
 protected:
  WatchServiceTest() : ServiceTest({.max_request_bytes = 1000}), stream_(Open("/etcdserverpb.Watch/Watch", call_)) {}

  void Receive(const pb::WatchRequest& request) { stream_->OnMessage(request.SerializeAsString()); }

  const std::shared_ptr<FakeCall> call_ = std::make_shared<FakeCall>();
  std::unique_ptr<StreamHandler> stream_;
};

TEST_F(WatchServiceTest, RequestsArePassedOnInOrder) {
  pb::WatchRequest create;
  auto& fields = *create.mutable_create_request();
  fields.set_key("a");
  fields.set_range_end("b");
  fields.set_start_revision(5);
  fields.set_prev_kv(true);
  fields.set_progress_notify(true);
  fields.set_watch_id(9);
  fields.set_fragment(true);
  fields.add_filters(pb::WatchCreateRequest::NODELETE);
  Receive(create);
  pb::WatchRequest cancel;
  cancel.mutable_cancel_request()->set_watch_id(9);
  Receive(cancel);
  pb::WatchRequest progress;
  progress.mutable_progress_request();
  Receive(progress);
  Receive({});  // asks for nothing: ignored
  stream_->OnSent();
  EXPECT_EQ(backend_.watches->told, (std::vector<std::string>{"create", "cancel 9", "progress", "drained"}));
  const WatchCreate& seen = backend_.watches->creates[0];
  EXPECT_EQ(seen.key, "a");
  EXPECT_EQ(seen.range_end, "b");
  EXPECT_EQ(seen.start_revision.value, 5);
  EXPECT_EQ(seen.watch_id, 9);
  EXPECT_TRUE(seen.prev_kv && seen.progress_notify && seen.fragment && seen.no_delete && !seen.no_put);
}

TEST_F(WatchServiceTest, AnEmptyKeyIsTheSmallestOne) {
  pb::WatchRequest create;
  create.mutable_create_request();
  Receive(create);
  EXPECT_EQ(backend_.watches->creates[0].key, std::string(1, '\0'));
}

TEST_F(WatchServiceTest, MessagesOfTheHubGoOutWithTheIdsOfTheServerAndTheRevisionOfTheHub) {
  backend_.watches->sink->Send({.watch_id = 3, .revision = {20}, .created = true});
  backend_.watches->sink->Send({.watch_id = 3, .canceled = true, .compact_revision = {15}});
  ASSERT_EQ(call_->sent.size(), 2u);
  EXPECT_EQ(Parse<pb::WatchResponse>(call_->sent[0]).ShortDebugString(),
            "header { cluster_id: 11 member_id: 22 revision: 20 raft_term: 44 } watch_id: 3 created: true");
  EXPECT_EQ(Parse<pb::WatchResponse>(call_->sent[1]).ShortDebugString(),
            "header { cluster_id: 11 member_id: 22 raft_term: 44 } watch_id: 3 canceled: true compact_revision: 15");
}

TEST_F(WatchServiceTest, AMarkedMessageIsSplitAtTheLimitOfRequestsAndItsSlack) {
  const std::string rest = EncodeKeyValueRest({1}, {1}, 1, std::string(kRpcOverheadBytes / 2, 'v'), {0});
  const auto event = std::make_shared<const std::string>(EncodeWatchEvent(EventType::kPut, "k", rest, std::nullopt));
  backend_.watches->sink->Send({.watch_id = 1, .revision = {20}, .fragment = true, .events = {event, event, event}});
  ASSERT_EQ(call_->sent.size(), 2u);
  EXPECT_TRUE(Parse<pb::WatchResponse>(call_->sent[0]).fragment());
  EXPECT_EQ(Parse<pb::WatchResponse>(call_->sent[0]).events_size(), 2);
  EXPECT_FALSE(Parse<pb::WatchResponse>(call_->sent[1]).fragment());
  backend_.watches->sink->Send({.watch_id = 2, .revision = {20}, .events = {event, event, event}});
  EXPECT_EQ(call_->sent.size(), 3u);
}

TEST_F(WatchServiceTest, TheHubSeesHowMuchIsUnsentAndMayEndTheStream) {
  call_->unsent = 123;
  EXPECT_EQ(backend_.watches->sink->unsent_bytes(), 123u);
  backend_.watches->sink->Finish(ErrStopped());
  EXPECT_EQ(call_->finished, ErrStopped());
}

TEST_F(WatchServiceTest, AHalfCloseChangesNothingAndTheEndClosesTheWatches) {
  stream_->OnHalfClose();
  EXPECT_FALSE(call_->finished.has_value());
  EXPECT_FALSE(backend_.watches->closed);
  backend_.watches->sink->Send({.watch_id = 3, .revision = {20}});
  EXPECT_EQ(call_->sent.size(), 1u);
  stream_->OnDone();
  EXPECT_TRUE(backend_.watches->closed);
  stream_.reset();
  backend_.watches->sink->Send({.watch_id = 3, .revision = {21}});  // the sink outlives the stream
}

// ---- cluster and maintenance
// -----------------------------------------------------------------------------------------

using ClusterServiceTest = ServiceTest;
using MaintenanceServiceTest = ServiceTest;

TEST_F(ClusterServiceTest, TheHeaderOfAMemberListHasNoRevision) {
  backend_.answer_members =
      std::vector<Member>{{.id = 22, .name = "n", .peer_urls = {"http://p"}, .client_urls = {"http://c"}}};
  const auto call = Unary("/etcdserverpb.Cluster/MemberList", "\x08\x01");
  EXPECT_EQ(Parse<pb::MemberListResponse>(call->sent[0]).ShortDebugString(),
            "header { cluster_id: 11 member_id: 22 raft_term: 44 } "
            "members { ID: 22 name: \"n\" peerURLs: \"http://p\" clientURLs: \"http://c\" }");
  EXPECT_EQ(backend_.listed_linearizable, true);
  Unary("/etcdserverpb.Cluster/MemberList", "");
  EXPECT_EQ(backend_.listed_linearizable, false);
}

TEST_F(MaintenanceServiceTest, TheStatusIsOfThisMember) {
  backend_.answer_status = StatusResult{.revision = {33}, .leader = 22, .raft_term = 44};
  const auto status = Parse<pb::StatusResponse>(Unary("/etcdserverpb.Maintenance/Status", "")->sent[0]);
  EXPECT_EQ(status.version(), "3.7.3");
  EXPECT_EQ(status.leader(), 22u);
  EXPECT_EQ(status.errors_size(), 0);
}

TEST_F(MaintenanceServiceTest, AlarmsAreReadFromTheBackendAndChangedThroughTheLog) {
  backend_.answer_alarms = AlarmResult{.revision = {33}, .alarms = {{.member_id = 22, .alarm = AlarmType::kNoSpace}}};
  EXPECT_EQ(Parse<pb::AlarmResponse>(Unary("/etcdserverpb.Maintenance/Alarm", "")->sent[0]).alarms_size(), 1);
  EXPECT_FALSE(backend_.proposed.has_value());
  backend_.answer_write = AlarmResult{};
  EXPECT_TRUE(Unary("/etcdserverpb.Maintenance/Alarm", "\x08\x02\x10\x16\x18\x01")->finished->ok());
  EXPECT_EQ(std::get<AlarmRequest>(*backend_.proposed),
            (AlarmRequest{.action = AlarmAction::kDeactivate, .member_id = 22, .alarm = AlarmType::kNoSpace}));
  EXPECT_EQ(Unary("/etcdserverpb.Maintenance/Alarm", "\x08\x03")->finished->code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Unary("/etcdserverpb.Maintenance/Alarm", "\x18\x03")->finished->code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(MaintenanceServiceTest, TheAnswerToADefragmentationIsEmpty) {
  EXPECT_EQ(Unary("/etcdserverpb.Maintenance/Defragment", "")->sent[0], "");
}

TEST_F(MaintenanceServiceTest, LeadershipMovesToTheLeaderAndToNobodyElse) {
  const std::string self = "\x08" + std::string(1, static_cast<char>(backend_.header.member_id));
  const auto moved = Unary("/etcdserverpb.Maintenance/MoveLeader", self);
  EXPECT_TRUE(moved->finished->ok());
  EXPECT_EQ(*Unary("/etcdserverpb.Maintenance/MoveLeader", "\x08\x4d")->finished, ErrBadLeaderTransferee());
}

}  // namespace
}  // namespace regent::api
