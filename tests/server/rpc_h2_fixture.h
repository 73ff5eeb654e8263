// The HTTP/2 engine alone, without a listener: each connection is a pair of sockets.
#pragma once

#include <dirent.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

#include "server/rpc/h2_engine.h"
#include "tests/server/rpc_h2_client.h"
#include "tests/server/rpc_test_service.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define REGENT_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define REGENT_TEST_SANITIZED 1
#endif
#endif
#ifndef REGENT_TEST_SANITIZED
#define REGENT_TEST_SANITIZED 0
#endif

namespace regent::server {

inline size_t OpenFiles() {
  size_t count = 0;
  DIR* const folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

// Calls of `method` that ended, with whatever status.
inline uint64_t Handled(Metrics& metrics, const std::string& method, const std::string& type) {
  static constexpr std::array<const char*, 17> kCodes = {
      "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated"};
  uint64_t sum = 0;
  for (const char* code : kCodes) {
    sum += metrics.grpc_server_handled_total.With({code, method, "test.Echo", type}).value();
  }
  return sum;
}

inline uint64_t Started(Metrics& metrics, const std::string& method, const std::string& type) {
  return metrics.grpc_server_started_total.With({method, "test.Echo", type}).value();
}

class H2EngineTest : public ::testing::Test {
 protected:
  void Start() {
    files_before_ = OpenFiles();
    options_.methods = service_.Methods();
    for (const api::Method& method : extra_methods_) options_.methods.push_back(method);
    engine_ = StartH2Engine(options_, metrics_);
  }
  void Shutdown(std::chrono::nanoseconds drain = std::chrono::nanoseconds(0)) {
    if (engine_ == nullptr) return;
    engine_->Shutdown(drain);
    engine_.reset();
  }
  void TearDown() override {
    Shutdown();
    EXPECT_EQ(service_.streams_done, service_.streams_opened);
    EXPECT_EQ(service_.handlers_destroyed, service_.streams_opened);
    EXPECT_EQ(service_.calls_after_done, 0);
    for (const api::Method& method : service_.Methods()) {
      const std::string name = method.path.substr(method.path.rfind('/') + 1);
      const char* const type = method.kind == api::Method::Kind::kUnary ? "unary" : "server_stream";
      EXPECT_EQ(Started(metrics_, name, type), Handled(metrics_, name, type)) << method.path;
    }
  }

  // The client's end of a new connection.
  OwnedFd Connect() {
    auto [server, client] = ConnectedSockets();
    engine_->AddConnection(server.Release());
    return std::move(client);
  }

  TestService service_;
  std::vector<api::Method> extra_methods_;
  Metrics metrics_;
  RpcEngine::Options options_;
  std::unique_ptr<RpcEngine> engine_;
  size_t files_before_ = 0;
};

}  // namespace regent::server
