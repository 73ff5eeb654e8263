// What the server answers over HTTP/1.1: health, version, metrics, and through the gateway the services. Paths, texts
// and headers are etcd's.
//
// Handle decides and answers without blocking: the checks ask the backend, whose Done may come later and on another
// thread. All functions may be called from any thread.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "api/service/backend.h"
#include "server/rpc/health_checks.h"
#include "server/rpc/http_message.h"
#include "server/runtime/metrics.h"

namespace regent::server {

class HttpEndpoints {
 public:
  // Which paths an address serves.
  enum class Scope { kClient, kMetrics };

  struct Versions {
    std::string server;   // "3.7.3"
    std::string cluster;  // "not_decided" until it is
    std::string storage;  // "unknown" until it is
  };

  struct Options {
    std::function<Versions()> versions;
    std::chrono::nanoseconds request_timeout = std::chrono::seconds(7);  // of a check's read: 5 s and two elections
    std::vector<std::string> cors = {"*"};                               // origins allowed, "*": all
    std::vector<std::string> host_whitelist = {"*"};                     // hosts served over plaintext, "*": all
    std::vector<std::string> command_line;                               // shown by /debug/vars
    // Takes what is below /v3/ (json_gateway.h); without it those paths do not exist. --enable-grpc-gateway.
    std::function<void(const HttpRequest&, absl::AnyInvocable<void(HttpResponse)>)> gateway;
  };

  // Backend and metrics must outlive the endpoints and every answer.
  HttpEndpoints(Options options, api::Backend& backend, Metrics& metrics)
      : options_(std::move(options)), metrics_(metrics), checks_(backend, metrics, options_.request_timeout) {}

  // `done` is called exactly once, before the function returns or later on a thread of the backend.
  using Done = absl::AnyInvocable<void(HttpResponse)>;
  void Handle(const HttpRequest& request, Scope scope, Done done);

 private:
  bool HostAllowed(const HttpRequest& request) const;
  void AddCors(const HttpRequest& request, HttpResponse& response) const;
  void RouteHealth(const HttpRequest& request, Done done);
  void Route(const HttpRequest& request, Scope scope, Done done);
  HttpResponse VersionPage() const;
  HttpResponse MetricsPage() const;
  HttpResponse VarsPage() const;

  const Options options_;
  Metrics& metrics_;
  HealthChecks checks_;
};

}  // namespace regent::server
