// The methods that an engine serves, by path, and what is counted for each: the grpc_server_* metrics and the bytes of
// client traffic. Shared by all engines.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "api/service/call.h"
#include "server/runtime/metrics.h"
#include "server/runtime/mutex.h"

namespace regent::server {

// Whether it is measured how long RPCs take.
enum class MetricsDetail { kBasic, kExtensive };

class RpcCounters {
 public:
  // Makes every series of the method, at zero. `metrics` must outlive the counters.
  RpcCounters(const api::Method& method, Metrics& metrics, MetricsDetail detail);

  // When the call began, to be given to Handled; nothing where time is not measured.
  std::chrono::steady_clock::time_point Started();
  void Received(size_t message_bytes) {
    received_.Increment();
    received_bytes_.Increment(message_bytes);
  }
  void Sent(size_t message_bytes) {
    sent_.Increment();
    sent_bytes_.Increment(message_bytes);
  }
  void Handled(absl::StatusCode code, std::chrono::steady_clock::time_point started_at);

 private:
  static constexpr size_t kCodes = 17;  // OK to UNAUTHENTICATED
  Counter& started_;
  Counter& received_;
  Counter& sent_;
  Counter& received_bytes_;
  Counter& sent_bytes_;
  std::array<Counter*, kCodes> handled_;
  Histogram* handling_seconds_ = nullptr;  // with extensive metrics
};

struct ServedMethod {
  api::Method method;
  RpcCounters counters;
};

// Requests by the version that their client says it has. From any thread.
class ClientRequests {
 public:
  explicit ClientRequests(Metrics& metrics) : total_(metrics.server_client_requests_total) {}

  struct Counters {
    Counter* unary;
    Counter* stream;
  };
  // Empty: it says none. A client may say what it likes, so what is long or one of too many is counted as none.
  Counters Of(std::string_view version);

 private:
  static constexpr size_t kVersionsMax = 32;
  static constexpr size_t kVersionBytesMax = 16;
  Family<Counter>& total_;
  Mutex mutex_;
  std::set<std::string, std::less<>> known_ ABSL_GUARDED_BY(mutex_);
};

// Built before the engine starts, then read only, on any thread.
class MethodTable {
 public:
  MethodTable(std::vector<api::Method> methods, Metrics& metrics, MetricsDetail detail);

  // The method of "/package.Service/Method"; null: there is none.
  ServedMethod* Find(const std::string& path);

  // What a call to a path that no method has ends with.
  absl::Status UnknownMethodError(const std::string& path) const;

  ClientRequests& client_requests() { return client_requests_; }

 private:
  std::unordered_map<std::string, ServedMethod> methods_;
  std::set<std::string> services_;
  ClientRequests client_requests_;
};

}  // namespace regent::server
