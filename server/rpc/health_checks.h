// The checks behind /health, /livez and /readyz, asked of the backend one after the other without blocking.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "api/service/backend.h"
#include "server/rpc/http_message.h"
#include "server/runtime/metrics.h"

namespace regent::server {

// A kind of check and the checks that belong to it.
struct HealthCheckKind {
  std::string_view name;                 // "livez" or "readyz": the path and the metric's label
  std::vector<std::string_view> checks;  // in the order of the answer's lines
};
const std::vector<HealthCheckKind>& HealthCheckKinds();

// All functions may be called from any thread. `done` is called once, at once or on a thread of the backend.
class HealthChecks {
 public:
  using Done = absl::AnyInvocable<void(HttpResponse)>;

  HealthChecks(api::Backend& backend, Metrics& metrics, std::chrono::nanoseconds read_timeout)
      : backend_(backend), metrics_(metrics), read_timeout_(read_timeout) {}

  // /health: alarms, leader, a read; the first failure is the reason.
  void Health(const HttpRequest& request, Done done);

  // /livez and /readyz: every check of the kind that the query does not exclude, with a line for each.
  void All(const HealthCheckKind& kind, const HttpRequest& request, Done done);

  // /livez/<check> and /readyz/<check>.
  void One(const HealthCheckKind& kind, std::string_view check, const HttpRequest& request, Done done);

 private:
  class Run;
  using Result = absl::AnyInvocable<void(absl::Status)>;

  void Ask(std::string_view check, Result result);
  void Read(bool serializable, Result result);

  api::Backend& backend_;
  Metrics& metrics_;
  const std::chrono::nanoseconds read_timeout_;
};

}  // namespace regent::server
