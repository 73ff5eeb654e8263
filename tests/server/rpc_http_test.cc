// The HTTP parser and the endpoints, without sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/rpc/http_endpoints.h"
#include "server/rpc/http_message.h"
#include "tests/server/rpc_fake_backend.h"

namespace regent::server {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

std::variant<HttpParsed, HttpIncomplete, HttpRefused> Parse(std::string_view text) {
  return ParseHttpRequest(text, HttpLimits());
}

int RefusedStatus(std::string_view text) {
  const auto parsed = Parse(text);
  const auto* refused = std::get_if<HttpRefused>(&parsed);
  return refused == nullptr ? 0 : refused->status;
}

HttpRequest Request(const std::string& method, const std::string& target, const std::string& headers = "") {
  const auto parsed = Parse(method + " " + target + " HTTP/1.1\r\nHost: localhost:2379\r\n" + headers + "\r\n");
  return std::get<HttpParsed>(parsed).request;
}

TEST(HttpMessageTest, ARequestIsTakenApart) {
  const std::string text =
      "GET /readyz%2Fx?verbose&exclude=a%20b&exclude=c+d HTTP/1.1\r\nHost: x\r\nX-One:  two words \r\n\r\nNEXT";
  const auto parsed = Parse(text);
  const auto& complete = std::get<HttpParsed>(parsed);
  EXPECT_EQ(complete.size_bytes, text.size() - 4);
  EXPECT_EQ(complete.request.method, "GET");
  EXPECT_EQ(complete.request.path, "/readyz/x");
  EXPECT_TRUE(complete.request.HasQuery("verbose"));
  EXPECT_EQ(complete.request.query[1].second, "a b");
  EXPECT_EQ(complete.request.query[2].second, "c d");
  EXPECT_EQ(complete.request.Header("x-one"), "two words");
  EXPECT_TRUE(complete.request.keep_alive);
}

TEST(HttpMessageTest, EveryPrefixOfARequestIsIncompleteAndNeverRefused) {
  const std::string text = "POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_TRUE(std::holds_alternative<HttpIncomplete>(Parse(text.substr(0, size)))) << size;
  }
  const auto parsed = Parse(text);
  EXPECT_EQ(std::get<HttpParsed>(parsed).request.body, "hello");
  EXPECT_FALSE(std::get<HttpParsed>(parsed).request.keep_alive);
}

TEST(HttpMessageTest, WhatCouldBeReadInTwoWaysIsRefused) {
  EXPECT_EQ(RefusedStatus("GET / HTTP/1.1\r\n\r\n"), 400) << "no Host";
  EXPECT_EQ(RefusedStatus("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  EXPECT_EQ(RefusedStatus("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400) << "blank before the colon";
  EXPECT_EQ(RefusedStatus("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"), 400);
  EXPECT_EQ(RefusedStatus("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"), 400) << "a bare line feed";
  EXPECT_EQ(RefusedStatus("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"), 400);
  EXPECT_EQ(RefusedStatus("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx"), 400);
  EXPECT_EQ(RefusedStatus("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 501);
  EXPECT_EQ(RefusedStatus("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(RefusedStatus("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(RefusedStatus("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(RefusedStatus(std::string("\x16\x03\x01", 3)), 400) << "the first byte of TLS";
}

TEST(HttpMessageTest, SizesAreBounded) {
  EXPECT_EQ(RefusedStatus("GET /" + std::string(17'000, 'a')), 431);
  EXPECT_EQ(RefusedStatus("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n"), 413);
  EXPECT_EQ(RefusedStatus("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n"), 413);
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 100; ++i) many += "X: y\r\n";
  EXPECT_EQ(RefusedStatus(many + "\r\n"), 431);
}

TEST(HttpMessageTest, AnAnswerToHeadAnnouncesTheBodyAndLeavesItOut) {
  EXPECT_EQ(EncodeHttpResponse(HttpResponse{200, {{"A", "b"}}, "body"}, /*is_head=*/true, /*keep_alive=*/false),
            "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 4\r\nConnection: close\r\n\r\n");
}

class HttpEndpointsTest : public ::testing::Test {
 protected:
  HttpResponse Ask(const HttpRequest& request, HttpEndpoints::Scope scope = HttpEndpoints::Scope::kClient) {
    HttpResponse answer{.status = 0};
    endpoints().Handle(request, scope, [&answer](HttpResponse response) { answer = std::move(response); });
    return answer;
  }
  HttpResponse Get(const std::string& target) { return Ask(Request("GET", target)); }

  HttpEndpoints& endpoints() {
    if (endpoints_ == nullptr) {
      options_.versions = [] { return HttpEndpoints::Versions{"3.7.3", "3.7.0", "3.7.0"}; };
      endpoints_ = std::make_unique<HttpEndpoints>(options_, backend_, metrics_);
    }
    return *endpoints_;
  }

  HttpEndpoints::Options options_;
  FakeBackend backend_;
  Metrics metrics_;
  std::unique_ptr<HttpEndpoints> endpoints_;
};

TEST_F(HttpEndpointsTest, HealthIsTrueWhenAReadSucceeds) {
  const HttpResponse answer = Get("/health");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"health":"true","reason":""})");
  EXPECT_THAT(answer.headers, Contains(Pair("Content-Type", "text/plain; charset=utf-8")));
  ASSERT_EQ(backend_.ranges.size(), 1u);
  EXPECT_FALSE(backend_.ranges[0].serializable);
  EXPECT_TRUE(backend_.ranges[0].keys_only);
  EXPECT_EQ(backend_.ranges[0].limit, 1);
  EXPECT_EQ(metrics_.server_health_success.value(), 1u);
}

TEST_F(HttpEndpointsTest, HealthNamesTheFirstThingThatFails) {
  backend_.range_status = absl::UnavailableError("etcdserver: request timed out");
  EXPECT_EQ(Get("/health").body, "{\"health\":\"false\",\"reason\":\"RANGE ERROR:etcdserver: request timed out\"}\n");
  backend_.has_leader = false;
  EXPECT_EQ(Get("/health").body, "{\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}\n");
  backend_.alarms = {{1, api::AlarmType::kNoSpace}, {2, api::AlarmType::kCorrupt}};
  const HttpResponse answer = Get("/health");
  EXPECT_EQ(answer.body, "{\"health\":\"false\",\"reason\":\"ALARM NOSPACE\"}\n");
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.headers, Contains(Pair("X-Content-Type-Options", "nosniff")));
  EXPECT_EQ(Get("/health?exclude=NOSPACE").body, "{\"health\":\"false\",\"reason\":\"ALARM CORRUPT\"}\n");
  EXPECT_EQ(Get("/health?exclude=NOSPACE&exclude=CORRUPT").body,
            "{\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}\n");
  EXPECT_EQ(metrics_.server_health_failures.value(), 5u);
}

TEST_F(HttpEndpointsTest, SerializableHealthNeedsNoLeader) {
  backend_.has_leader = false;
  EXPECT_EQ(Get("/health?serializable=true").status, 200);
  EXPECT_TRUE(backend_.ranges.at(0).serializable);
}

TEST_F(HttpEndpointsTest, LivezAndReadyzRunTheirChecks) {
  EXPECT_EQ(Get("/livez").body, "ok\n");
  EXPECT_EQ(Get("/livez/serializable_read?verbose").body, "[+]serializable_read ok\nok\n");
  EXPECT_EQ(Get("/readyz?verbose").body,
            "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n");
  EXPECT_EQ(Get("/readyz/non_learner").body, "ok\n");
  EXPECT_EQ(Get("/readyz/nothing").status, 404);
  EXPECT_EQ(Get("/livez/non_learner").status, 404);
  EXPECT_EQ(metrics_.server_healthchecks_total.With({"serializable_read", "success", "livez"}).value(), 2u);
  EXPECT_EQ(metrics_.server_healthcheck.With({"non_learner", "readyz"}).value(), 1);
}

TEST_F(HttpEndpointsTest, AFailedCheckIsShownWithoutBeingAsked) {
  backend_.is_learner = true;
  backend_.alarms = {{1, api::AlarmType::kCorrupt}};
  const HttpResponse answer = Get("/readyz?exclude=linearizable_read&exclude=unknown");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body,
            "[-]data_corruption failed: alarm activated: CORRUPT\n[+]serializable_read ok\n"
            "[-]non_learner failed: not supported for learner\n\n");
  EXPECT_EQ(Get("/readyz?exclude=data_corruption&exclude=non_learner").body, "ok\n");
  EXPECT_EQ(metrics_.server_healthchecks_total.With({"data_corruption", "error", "readyz"}).value(), 1u);
}

TEST_F(HttpEndpointsTest, ALateReadDelaysOnlyItsOwnAnswer) {
  backend_.hold_ranges = true;
  int answers = 0;
  endpoints().Handle(Request("GET", "/readyz"), HttpEndpoints::Scope::kClient, [&](HttpResponse response) {
    EXPECT_EQ(response.body, "ok\n");
    ++answers;
  });
  EXPECT_EQ(answers, 0);
  EXPECT_EQ(Get("/version").status, 200);
  while (!backend_.held.empty()) {
    auto done = std::move(backend_.held.front());
    backend_.held.erase(backend_.held.begin());
    done(api::RangeResult());
  }
  EXPECT_EQ(answers, 1);
  EXPECT_EQ(backend_.ranges.size(), 2u);
}

TEST_F(HttpEndpointsTest, VersionAndVarsAreJson) {
  options_.command_line = {"etcd", "--name=\"x\""};
  EXPECT_EQ(Get("/version").body, R"({"etcdserver":"3.7.3","etcdcluster":"3.7.0","storage":"3.7.0"})");
  EXPECT_THAT(Get("/version").headers, Contains(Pair("Content-Type", "application/json")));
  EXPECT_THAT(Get("/debug/vars").body,
              HasSubstr("\"cmdline\": [\"etcd\",\"--name=\\\"x\\\"\"],\n\"file_descriptor_limit\": "));
}

TEST_F(HttpEndpointsTest, OtherMethodsAndPathsAreRefusedAsGoDoes) {
  for (const char* path : {"/health", "/livez", "/readyz", "/version", "/debug/vars", "/readyz/non_learner"}) {
    for (const char* method : {"POST", "HEAD", "PUT"}) {
      const HttpResponse answer = Ask(Request(method, path));
      EXPECT_EQ(answer.status, 405) << method << ' ' << path;
      EXPECT_EQ(answer.body, "Method Not Allowed\n");
      EXPECT_THAT(answer.headers, Contains(Pair("Allow", "GET")));
    }
  }
  EXPECT_EQ(Ask(Request("HEAD", "/metrics")).status, 200);
  EXPECT_EQ(Get("/nope").body, "404 page not found\n");
  EXPECT_EQ(Ask(Request("POST", "/v3/kv/put")).status, 404);
}

TEST_F(HttpEndpointsTest, TheMetricsAddressServesMetricsAndHealthAlone) {
  const auto metrics_scope = HttpEndpoints::Scope::kMetrics;
  EXPECT_EQ(Ask(Request("GET", "/metrics"), metrics_scope).status, 200);
  EXPECT_EQ(Ask(Request("GET", "/readyz"), metrics_scope).status, 200);
  EXPECT_EQ(Ask(Request("GET", "/version"), metrics_scope).status, 404);
  EXPECT_EQ(Ask(Request("OPTIONS", "/health"), metrics_scope).status, 405);
}

TEST_F(HttpEndpointsTest, CrossOriginHeadersAreSetForAllowedOrigins) {
  const HttpResponse anybody = Ask(Request("OPTIONS", "/anything"));
  EXPECT_EQ(anybody.status, 200);
  EXPECT_EQ(anybody.body, "");
  EXPECT_THAT(anybody.headers, Contains(Pair("Access-Control-Allow-Origin", "*")));
  EXPECT_THAT(Get("/nope").headers, Contains(Pair("Access-Control-Allow-Methods", "POST, GET, OPTIONS, PUT, DELETE")));
  options_.cors = {"http://good"};
  endpoints_.reset();
  EXPECT_THAT(Ask(Request("GET", "/version", "Origin: http://good\r\n")).headers,
              Contains(Pair("Access-Control-Allow-Origin", "http://good")));
  EXPECT_EQ(Ask(Request("OPTIONS", "/version", "Origin: http://bad\r\n")).headers.size(), 0u);
}

TEST_F(HttpEndpointsTest, AHostThatIsNotOnTheListIsMisdirected) {
  options_.host_whitelist = {"localhost", "::1"};
  EXPECT_EQ(Get("/version").status, 200);
  HttpRequest request = Request("GET", "/version");
  request.headers[0].second = "[::1]:2379";
  EXPECT_EQ(Ask(request).status, 200);
  request.headers[0].second = "evil.example:2379";
  const HttpResponse refused = Ask(request);
  EXPECT_EQ(refused.status, 421);
  EXPECT_THAT(refused.body, HasSubstr("--host-whitelist \"evil.example\""));
}

TEST_F(HttpEndpointsTest, MetricsAreText) {
  const HttpResponse answer = Get("/metrics");
  EXPECT_THAT(answer.headers,
              Contains(Pair("Content-Type", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores")));
  EXPECT_THAT(answer.body, HasSubstr("\netcd_server_has_leader 0\n"));
}

}  // namespace
}  // namespace regent::server
