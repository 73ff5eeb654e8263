// What holds for every method: the list, the metadata, malformed input, deadlines.
#include "api/service/services.h"

#include <fstream>
#include <set>
#include <string>

#include "api/contract/errors.h"
#include "api/contract/proto/auth.pb.h"
#include "api/contract/proto/cluster.pb.h"
#include "api/contract/proto/election.pb.h"
#include "api/contract/proto/health.pb.h"
#include "api/contract/proto/lease.pb.h"
#include "api/contract/proto/lock.pb.h"
#include "api/contract/proto/maintenance.pb.h"
#include "api/contract/proto/range.pb.h"
#include "api/contract/proto/watch.pb.h"
#include "gtest/gtest.h"
#include "tests/api/fakes.h"

namespace regent::api {
namespace {

// Not "\x0a\x05" alone: also long enough to be read, and no message of any kind.
const std::string kNoMessage = "\x0a\x7fxx";

const google::protobuf::FileDescriptor* const kFiles[] = {etcdserverpb::RangeRequest::descriptor()->file(),
                                                          etcdserverpb::WatchRequest::descriptor()->file(),
                                                          etcdserverpb::LeaseGrantRequest::descriptor()->file(),
                                                          etcdserverpb::Member::descriptor()->file(),
                                                          etcdserverpb::StatusRequest::descriptor()->file(),
                                                          etcdserverpb::AuthStatusRequest::descriptor()->file(),
                                                          v3lockpb::LockRequest::descriptor()->file(),
                                                          v3electionpb::LeaderKey::descriptor()->file(),
                                                          grpc::health::v1::HealthCheckRequest::descriptor()->file()};

TEST_F(ServiceTest, EveryMethodOfTheContractIsRegisteredOnceAndAsWhatItIs) {
  std::set<std::string> declared;
  for (const auto* file : kFiles) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const auto* method = file->service(s)->method(m);
        const std::string path = "/" + file->service(s)->full_name() + "/" + method->name();
        declared.insert(path);
        const auto found = methods_.find(path);
        ASSERT_NE(found, methods_.end()) << path;
        const bool streams = method->client_streaming() || method->server_streaming();
        EXPECT_EQ(found->second.kind == Method::Kind::kStream, streams) << path;
        EXPECT_EQ(found->second.stream != nullptr, streams) << path;
        EXPECT_EQ(found->second.unary != nullptr, !streams) << path;
      }
    }
  }
  EXPECT_EQ(methods_.size(), declared.size());
}

TEST_F(ServiceTest, WhatIsNotThereYetSaysSo) {
  int unimplemented = 0;
  for (const auto& [path, method] : methods_) {
    auto call = std::make_shared<FakeCall>();
    backend_.answer_write = ErrTimeout();
    if (method.kind == Method::Kind::kUnary) {
      method.unary(call, "");
    } else {
      const auto handler = method.stream(call);
      handler->OnHalfClose();
      handler->OnDone();
    }
    if (!call->finished || call->finished->code() != absl::StatusCode::kUnimplemented) continue;
    ++unimplemented;
    EXPECT_EQ(std::string(call->finished->message()), "method " + path + " is not implemented by this server");
  }
  EXPECT_EQ(unimplemented, 26);
}

TEST_F(ServiceTest, BytesThatAreNoMessageAreAnsweredAsGrpcGoDoes) {
  for (const auto& [path, method] : methods_) {
    auto call = std::make_shared<FakeCall>();
    std::unique_ptr<StreamHandler> handler;
    if (method.kind == Method::Kind::kUnary) {
      method.unary(call, kNoMessage);
    } else {
      handler = method.stream(call);
      handler->OnMessage(kNoMessage);
    }
    ASSERT_TRUE(call->finished.has_value()) << path;
    if (call->finished->code() == absl::StatusCode::kUnimplemented) continue;
    EXPECT_EQ(*call->finished, handler == nullptr ? ErrMalformedRequest() : ErrMalformedStreamMessage()) << path;
    EXPECT_TRUE(call->sent.empty()) << path;
  }
}

TEST_F(ServiceTest, WithoutALeaderOnlyThoseWhoAskForOneAreRefused) {
  backend_.has_leader = false;
  auto asks = std::make_shared<FakeCall>();
  asks->metadata["hasleader"] = "true";
  EXPECT_EQ(*Unary("/etcdserverpb.KV/Range", "\x0a\x01k", asks)->finished, ErrNoLeader());
  auto asks_in_vain = std::make_shared<FakeCall>();
  asks_in_vain->metadata["hasleader"] = "false";
  EXPECT_TRUE(Unary("/etcdserverpb.KV/Range", "\x0a\x01k", asks_in_vain)->finished->ok());
  EXPECT_TRUE(Unary("/etcdserverpb.KV/Range", "\x0a\x01k")->finished->ok());
  for (const char* path : {"/etcdserverpb.Watch/Watch", "/etcdserverpb.Lease/LeaseKeepAlive"}) {
    auto stream = std::make_shared<FakeCall>();
    stream->metadata["hasleader"] = "true";
    const auto handler = Open(path, stream);
    EXPECT_EQ(stream->finished, ErrNoLeader()) << path;
    handler->OnMessage("");
    handler->OnDone();
  }
  EXPECT_EQ(backend_.watches->sink, nullptr);
}

TEST_F(ServiceTest, StreamsThatAskForALeaderEndWhenItIsLost) {
  for (const char* path : {"/etcdserverpb.Watch/Watch", "/etcdserverpb.Lease/LeaseKeepAlive"}) {
    auto asks = std::make_shared<FakeCall>();
    asks->metadata["hasleader"] = "true";
    auto does_not = std::make_shared<FakeCall>();
    auto gone = std::make_shared<FakeCall>();
    gone->metadata["hasleader"] = "true";
    const auto handler = Open(path, asks);
    const auto other = Open(path, does_not);
    const auto done = Open(path, gone);
    done->OnDone();
    services_.LeaderLost();
    EXPECT_EQ(asks->finished, ErrNoLeader()) << path;
    EXPECT_FALSE(does_not->finished.has_value()) << path;
    EXPECT_FALSE(gone->finished.has_value()) << path;
    services_.LeaderLost();
  }
}

TEST_F(ServiceTest, AClientVersionThatIsNoTextIsRefused) {
  auto call = std::make_shared<FakeCall>();
  call->metadata["client-api-version"] = "\xff";
  EXPECT_EQ(*Unary("/etcdserverpb.Maintenance/Status", "", call)->finished, ErrInvalidClientApiVersion());
  auto stream = std::make_shared<FakeCall>();
  stream->metadata["client-api-version"] = "\xff";
  Open("/etcdserverpb.Watch/Watch", stream);
  EXPECT_EQ(stream->finished, ErrInvalidClientApiVersion());
  auto good = std::make_shared<FakeCall>();
  good->metadata["client-api-version"] = "3.7";
  EXPECT_TRUE(Unary("/etcdserverpb.Maintenance/Status", "", good)->finished->ok());
}

TEST_F(ServiceTest, TheServerGivesUpNoLaterThanTheClient) {
  Unary("/etcdserverpb.KV/Range", "\x0a\x01k");
  EXPECT_EQ(backend_.deadline, kNow + std::chrono::seconds(7));
  auto call = std::make_shared<FakeCall>();
  call->client_deadline = kNow + std::chrono::seconds(2);
  Unary("/etcdserverpb.KV/Range", "\x0a\x01k", call);
  EXPECT_EQ(backend_.deadline, kNow + std::chrono::seconds(2));
}

TEST_F(ServiceTest, HealthIsServingAndOtherNamesAreUnknown) {
  EXPECT_EQ(Unary("/grpc.health.v1.Health/Check", "")->sent[0], "\x08\x01");
  EXPECT_EQ(*Unary("/grpc.health.v1.Health/Check",
                   "\x0a\x02"
                   "kv")
                 ->finished,
            absl::NotFoundError("unknown service"));
  EXPECT_EQ(*Unary("/grpc.health.v1.Health/Check", "\x0a\x01\xff")->finished, ErrMalformedText());
  grpc::health::v1::HealthListResponse list;
  ASSERT_TRUE(list.ParseFromString(Unary("/grpc.health.v1.Health/List", "")->sent[0]));
  ASSERT_EQ(list.statuses_size(), 1);
  EXPECT_EQ(list.statuses().at("").status(), grpc::health::v1::HealthCheckResponse::SERVING);

  auto call = std::make_shared<FakeCall>();
  const auto watch = Open("/grpc.health.v1.Health/Watch", call);
  watch->OnMessage("");
  watch->OnHalfClose();
  EXPECT_EQ(call->sent, std::vector<std::string>{"\x08\x01"});
  EXPECT_FALSE(call->finished.has_value()) << "stays open";
  auto unknown = std::make_shared<FakeCall>();
  Open("/grpc.health.v1.Health/Watch", unknown)
      ->OnMessage(
          "\x0a\x02"
          "kv");
  EXPECT_EQ(unknown->sent, std::vector<std::string>{"\x08\x03"});
}

}  // namespace
}  // namespace regent::api
