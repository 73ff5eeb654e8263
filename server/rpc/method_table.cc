#include "server/rpc/method_table.h"

#include <glog/logging.h>

#include <string_view>
#include <utility>

#include "server/runtime/clock.h"

namespace regent::server {
namespace {

constexpr std::array<std::string_view, 17> kCodeNames = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

// An engine serves all streams alike; only the label tells who may send more than one message.
std::string_view TypeLabel(const api::Method& method) {
  if (method.kind == api::Method::Kind::kUnary) return "unary";
  for (const std::string_view path : {"/etcdserverpb.Watch/Watch", "/etcdserverpb.Lease/LeaseKeepAlive"}) {
    if (method.path == path) return "bidi_stream";
  }
  return "server_stream";
}

// "/package.Service/Method" in its two parts; both empty when the path has no such form.
struct RpcPath {
  std::string service;
  std::string method;
};

RpcPath SplitRpcPath(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (path.size() < 3 || path[0] != '/' || slash == 0) return {};
  return RpcPath{path.substr(1, slash - 1), path.substr(slash + 1)};
}

struct Labels {
  explicit Labels(const api::Method& method_in) : path(SplitRpcPath(method_in.path)), type(TypeLabel(method_in)) {}
  RpcPath path;
  std::string_view type;
};

Counter& One(Family<Counter>& family, const Labels& labels) {
  return family.With({labels.path.method, labels.path.service, labels.type});
}

}  // namespace

RpcCounters::RpcCounters(const api::Method& method, Metrics& metrics, MetricsDetail detail)
    : started_(One(metrics.grpc_server_started_total, Labels(method))),
      received_(One(metrics.grpc_server_msg_received_total, Labels(method))),
      sent_(One(metrics.grpc_server_msg_sent_total, Labels(method))),
      received_bytes_(metrics.network_client_grpc_received_bytes_total),
      sent_bytes_(metrics.network_client_grpc_sent_bytes_total) {
  const Labels labels(method);
  for (size_t code = 0; code < kCodes; ++code) {
    handled_[code] = &metrics.grpc_server_handled_total.With(
        {kCodeNames[code], labels.path.method, labels.path.service, labels.type});
  }
  if (detail == MetricsDetail::kExtensive) {
    handling_seconds_ =
        &metrics.grpc_server_handling_seconds.With({labels.path.method, labels.path.service, labels.type});
  }
}

std::chrono::steady_clock::time_point RpcCounters::Started() {
  started_.Increment();
  return handling_seconds_ == nullptr ? std::chrono::steady_clock::time_point() : SteadyNow();
}

void RpcCounters::Handled(absl::StatusCode code, std::chrono::steady_clock::time_point started_at) {
  if (handling_seconds_ != nullptr) handling_seconds_->Observe(SteadyNow() - started_at);
  const size_t index = static_cast<size_t>(code);
  handled_[index < kCodes ? index : static_cast<size_t>(absl::StatusCode::kUnknown)]->Increment();
}

ClientRequests::Counters ClientRequests::Of(std::string_view version) {
  const MutexLock lock(mutex_);
  const bool known = known_.contains(version);
  const bool countable = known || (known_.size() < kVersionsMax && version.size() <= kVersionBytesMax);
  if (version.empty() || !countable) version = "unknown";
  if (!known && countable) known_.emplace(version);
  return {&total_.With({version, "unary"}), &total_.With({version, "stream"})};
}

MethodTable::MethodTable(std::vector<api::Method> methods, Metrics& metrics, MetricsDetail detail)
    : client_requests_(metrics) {
  for (api::Method& method : methods) {
    const std::string path = method.path;
    const RpcCounters counters(method, metrics, detail);
    CHECK(methods_.emplace(path, ServedMethod{std::move(method), counters}).second) << "served twice: " << path;
    services_.insert(SplitRpcPath(path).service);
  }
}

ServedMethod* MethodTable::Find(const std::string& path) {
  const auto found = methods_.find(path);
  return found == methods_.end() ? nullptr : &found->second;
}

absl::Status MethodTable::UnknownMethodError(const std::string& path) const {
  const RpcPath parts = SplitRpcPath(path);
  if (parts.service.empty()) return absl::UnimplementedError("malformed method name: \"" + path + "\"");
  if (services_.count(parts.service) == 0) return absl::UnimplementedError("unknown service " + parts.service);
  return absl::UnimplementedError("unknown method " + parts.method + " for service " + parts.service);
}

}  // namespace regent::server
