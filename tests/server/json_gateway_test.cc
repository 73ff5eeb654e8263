// The gateway over methods of a few lines: how a call looks from the inside, and every way it can end.
#include "server/rpc/json_gateway.h"

#include <gtest/gtest.h>

#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "api/contract/proto/range.pb.h"
#include "server/rpc/http_endpoints.h"
#include "tests/server/rpc_fake_backend.h"

namespace regent::server {
namespace {

namespace pb = etcdserverpb;

// Runs tasks when the test says so.
class ManualLoop final : public Loop {
 public:
  void Post(Task task) override { tasks_.push_back(std::move(task)); }
  TimerId PostAfter(Duration, Task) override { return TimerId::kNone; }
  void Cancel(TimerId) override {}
  MonotonicTime Now() const override { return {}; }
  void RunAll() {
    while (!tasks_.empty()) {
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
  }

 private:
  std::deque<Task> tasks_;
};

class JsonGatewayTest : public testing::Test {
 protected:
  JsonGatewayTest() {
    api::Method put{
        .path = "/etcdserverpb.KV/Put", .kind = api::Method::Kind::kUnary, .unary = nullptr, .stream = nullptr};
    put.unary = [this](std::shared_ptr<api::Call> call, std::string_view request) {
      call_ = std::move(call);
      request_ = request;
    };
    api::Method watch{
        .path = "/etcdserverpb.Watch/Watch", .kind = api::Method::Kind::kStream, .unary = nullptr, .stream = nullptr};
    gateway_.emplace(JsonGateway::Options{.methods = {put, watch}, .message_bytes_max = 1000}, loop_, metrics_);
  }

  void Post(const std::string& path, const std::string& body, HttpHeaders headers = {}) {
    HttpRequest request;
    request.method = "POST";
    request.path = path;
    request.headers = std::move(headers);
    request.body = body;
    gateway_->Handle(request, [this](HttpResponse response) {
      EXPECT_FALSE(answer_.has_value()) << "answered twice";
      answer_ = std::move(response);
    });
    loop_.RunAll();
  }

  ManualLoop loop_;
  Metrics metrics_;
  std::shared_ptr<api::Call> call_;
  std::string request_;
  std::optional<HttpResponse> answer_;
  std::optional<JsonGateway> gateway_;
};

TEST_F(JsonGatewayTest, AMethodGetsItsMessageAndAnswersLater) {
  Post("/v3/kv/put", R"({"key":"YQ==","value":"Yg==","lease":"7","prevKv":true,"more":{}})");
  pb::PutRequest put;
  ASSERT_TRUE(put.ParseFromString(request_));
  EXPECT_EQ(put.ShortDebugString(), "key: \"a\" value: \"b\" lease: 7 prev_kv: true");
  EXPECT_FALSE(answer_.has_value());

  pb::PutResponse response;
  response.mutable_header()->set_revision(1LL << 40);
  response.mutable_prev_kv()->set_key("\xff");
  const std::string bytes = response.SerializeAsString();
  call_->Send(
      {std::make_shared<const std::string>(bytes.substr(0, 3)), std::make_shared<const std::string>(bytes.substr(3))});
  call_->Finish(absl::OkStatus());
  EXPECT_FALSE(answer_.has_value()) << "converted on the thread of the backend";
  loop_.RunAll();
  ASSERT_TRUE(answer_.has_value());
  EXPECT_EQ(answer_->status, 200);
  EXPECT_EQ(answer_->body, R"({"header":{"revision":"1099511627776"},"prev_kv":{"key":"/w=="}})");
}

TEST_F(JsonGatewayTest, TheFirstFinishCountsAndACallThatIsForgottenEnds) {
  Post("/v3/kv/put", "{}");
  call_->Finish(absl::NotFoundError("a \"text\""));
  call_->Finish(absl::OkStatus());
  call_.reset();
  loop_.RunAll();
  EXPECT_EQ(answer_->status, 404);
  EXPECT_EQ(answer_->body, R"({"code":5,"message":"a \"text\""})");

  answer_.reset();
  Post("/v3/kv/put", "{}");
  call_.reset();
  loop_.RunAll();
  EXPECT_EQ(answer_->status, 503);
}

TEST_F(JsonGatewayTest, ACallMayOutliveTheGateway) {
  Post("/v3/kv/put", "{}");
  gateway_.reset();
  call_->Finish(absl::UnavailableError("etcdserver: server stopped"));
  loop_.RunAll();
  EXPECT_EQ(answer_->status, 503);
}

TEST_F(JsonGatewayTest, HeadersBecomeMetadata) {
  Post("/v3/kv/put", "{}",
       {{"authorization", "token"}, {"accept", "x/y"}, {"grpc-metadata-hasleader", "true"}, {"x-other", "1"}});
  EXPECT_EQ(call_->Metadata("authorization"), "token");
  EXPECT_EQ(call_->Metadata("grpcgateway-authorization"), "token");
  EXPECT_EQ(call_->Metadata("grpcgateway-accept"), "x/y");
  EXPECT_EQ(call_->Metadata("hasleader"), "true");
  EXPECT_FALSE(call_->Metadata("x-other").has_value());
}

TEST_F(JsonGatewayTest, WhatIsTooLargeOrNoMessageNeverReachesTheMethod) {
  for (const auto& [body, status] :
       std::vector<std::pair<std::string, int>>{{R"({"value":")" + std::string(2000, 'A') + R"("})", 429},
                                                {R"({"key":"YQ==","prev_kv":"yes"})", 400},
                                                {R"({"key":"YQ==","key":"Yg=="})", 400},
                                                {R"({"key":{}})", 400},
                                                {"[]", 400},
                                                {"{", 400}}) {
    answer_.reset();
    Post("/v3/kv/put", body);
    EXPECT_EQ(answer_->status, status) << body;
  }
  EXPECT_EQ(call_, nullptr);
}

TEST_F(JsonGatewayTest, OtherPathsMethodsAndStreamsAreRefused) {
  Post("/v3/kv/range", "{}");  // in the contract, but not offered
  EXPECT_EQ(answer_->status, 404);
  answer_.reset();
  Post("/v3/watch", "{}");
  EXPECT_EQ(answer_->status, 501);
}

TEST_F(JsonGatewayTest, TheEndpointsHandOverWhatIsBelowV3) {
  FakeBackend backend;
  std::vector<std::string> seen;
  HttpEndpoints::Options options;
  options.gateway = [&seen](const HttpRequest& request, JsonGateway::Done done) {
    seen.push_back(request.path);
    done(HttpResponse{});
  };
  HttpEndpoints with(options, backend, metrics_);
  HttpEndpoints without({}, backend, metrics_);
  int found = 0, missing = 0;
  const auto count = [&](const HttpResponse& response) { ++(response.status == 404 ? missing : found); };
  for (const char* path : {"/v3/kv/put", "/v3beta/kv/put", "/v3", "/v3betakv"}) {
    HttpRequest request;
    request.method = "POST";
    request.path = path;
    with.Handle(request, HttpEndpoints::Scope::kClient, count);
    with.Handle(request, HttpEndpoints::Scope::kMetrics, count);
    without.Handle(request, HttpEndpoints::Scope::kClient, count);
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"/v3/kv/put", "/v3/kv/put"}));
  EXPECT_EQ(found, 2);
  EXPECT_EQ(missing, 10);
}

}  // namespace
}  // namespace regent::server
