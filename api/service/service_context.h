// What all services share: the backend, the options, and what every call must pass before its handler sees it.
//
// Order for a unary call, as etcd has it: the message is decoded, client-api-version must be UTF-8, and with the
// metadata `hasleader: true` there must be a leader. For a stream the same when it opens; and a stream with that
// metadata is ended when the leader stays away (LeaderLost).
//
// Threads: everything here may be used from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "api/contract/limits.h"
#include "api/service/backend.h"
#include "api/service/call.h"
#include "api/service/decode.h"
#include "api/service/leader_bound_streams.h"

namespace regent::api {

struct ServiceOptions {
  size_t max_request_bytes = kMaxRequestBytesDefault;  // of a log entry
  size_t max_txn_ops = kMaxTxnOpsDefault;
  std::chrono::steady_clock::duration request_timeout = kRequestTimeoutBase + std::chrono::seconds(2);
  std::function<MonotonicTime()> now;  // required; services read no clock
  // Whether members can be reached at such a URL.
  std::function<bool(const std::string&)> is_peer_url = [](const std::string&) { return true; };
};

class ServiceContext {
 public:
  ServiceContext(Backend& backend, ServiceOptions options) : backend_(backend), options_(std::move(options)) {}

  Backend& backend() const { return backend_; }
  const ServiceOptions& options() const { return options_; }
  LeaderBoundStreams& leader_bound_streams() { return leader_bound_streams_; }

  absl::Status Admit(const Call& call) const;

  // Whether the client wants to be told when there is no leader.
  static bool RequiresLeader(const Call& call);

  // When the server gives up, if the client does not do so earlier.
  MonotonicTime Deadline(const Call& call) const;

  // ErrRequestTooLarge when the log entry of a request of this size would be.
  absl::Status CheckSize(size_t request_bytes) const;

  // The header of an answer that knows its revision; {0}: the current one.
  Header HeaderAt(Revision revision) const;

 private:
  Backend& backend_;
  const ServiceOptions options_;
  LeaderBoundStreams leader_bound_streams_;
};

// Ends a unary call.
void Answer(Call& call, WireMessage message);
void Answer(Call& call, std::string message);
void Fail(Call& call, const absl::Status& status);

template <typename Request>
using UnaryHandler = void (*)(ServiceContext& context, std::shared_ptr<Call> call, Request request);

// A unary method: decodes and admits, then `handler` answers or fails the call, at once or later.
template <typename Request>
Method Unary(ServiceContext& context, std::string path, UnaryHandler<Request> handler) {
  const auto run = [&context, handler](std::shared_ptr<Call> call, std::string_view bytes) {
    Request request;
    if (absl::Status status = Decode(bytes, request); !status.ok()) return Fail(*call, status);
    if (absl::Status status = context.Admit(*call); !status.ok()) return Fail(*call, status);
    handler(context, std::move(call), std::move(request));
  };
  return {.path = std::move(path), .kind = Method::Kind::kUnary, .unary = run, .stream = nullptr};
}

// A stream that is over before it began, or that expects nothing from its client.
std::unique_ptr<StreamHandler> IgnoringHandler();

}  // namespace regent::api
