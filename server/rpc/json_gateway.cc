#include "server/rpc/json_gateway.h"

#include <glog/logging.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "api/contract/message_json.h"
#include "api/contract/proto/auth.pb.h"
#include "api/contract/proto/cluster.pb.h"
#include "api/contract/proto/election.pb.h"
#include "api/contract/proto/lease.pb.h"
#include "api/contract/proto/lock.pb.h"
#include "api/contract/proto/maintenance.pb.h"
#include "api/contract/proto/range.pb.h"
#include "api/contract/proto/watch.pb.h"
#include "api/contract/status_macros.h"
#include "server/rpc/json_routes.h"
#include "server/rpc/json_scan.h"
#include "server/rpc/json_shape.h"
#include "server/rpc/method_table.h"
#include "server/runtime/json_log.h"

namespace regent::server {
namespace {

int HttpStatus(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

HttpResponse JsonResponse(int status, std::string body) {
  return {.status = status, .headers = {{"Content-Type", "application/json"}}, .body = std::move(body)};
}

HttpResponse ErrorResponse(const absl::Status& status) {
  const std::string message(status.message());
  HttpResponse response =
      JsonResponse(HttpStatus(status.code()), "{\"code\":" + std::to_string(static_cast<int>(status.code())) +
                                                  ",\"message\":" + JsonString(message) + "}");
  if (status.code() == absl::StatusCode::kUnauthenticated) response.headers.emplace_back("WWW-Authenticate", message);
  return response;
}

// The generated code of a proto file is linked only where a name of it is used.
void LinkGeneratedCode() {
  CHECK(etcdserverpb::WatchRequest::descriptor() != nullptr);
  CHECK(etcdserverpb::RangeRequest::descriptor() != nullptr);
  CHECK(etcdserverpb::LeaseGrantRequest::descriptor() != nullptr);
  CHECK(etcdserverpb::Member::descriptor() != nullptr);
  CHECK(etcdserverpb::StatusRequest::descriptor() != nullptr);
  CHECK(etcdserverpb::AuthStatusRequest::descriptor() != nullptr);
  CHECK(v3lockpb::LockRequest::descriptor() != nullptr);
  CHECK(v3electionpb::LeaderKey::descriptor() != nullptr);
}

// The name of the metadata that a header becomes; empty: it becomes none.
std::string MetadataName(std::string_view header) {
  static constexpr std::string_view kPrefix = "grpc-metadata-";
  static constexpr std::string_view kPassedOn[] = {"accept",
                                                   "accept-charset",
                                                   "accept-language",
                                                   "accept-ranges",
                                                   "authorization",
                                                   "cache-control",
                                                   "content-type",
                                                   "cookie",
                                                   "date",
                                                   "expect",
                                                   "from",
                                                   "host",
                                                   "if-match",
                                                   "if-modified-since",
                                                   "if-none-match",
                                                   "if-unmodified-since",
                                                   "max-forwards",
                                                   "origin",
                                                   "pragma",
                                                   "referer",
                                                   "user-agent",
                                                   "via",
                                                   "warning",
                                                   "if-schedule-tag-match"};
  if (header.substr(0, kPrefix.size()) == kPrefix) return std::string(header.substr(kPrefix.size()));
  if (std::find(std::begin(kPassedOn), std::end(kPassedOn), header) == std::end(kPassedOn)) return "";
  return "grpcgateway-" + std::string(header);
}

// One method with its messages' types.
struct Endpoint {
  ServedMethod* method = nullptr;
  const google::protobuf::Descriptor* request = nullptr;
  const google::protobuf::Descriptor* response = nullptr;
};

}  // namespace

// What calls keep alive that are still under way when the gateway goes.
class JsonGateway::Served : public std::enable_shared_from_this<Served> {
 public:
  Served(Options options, Loop& executor, Metrics& metrics);

  void Handle(const HttpRequest& request, Done done);
  void Respond(const Endpoint& endpoint, const absl::Status& status, const std::string& answer, Done done);

  Loop& executor() const { return executor_; }

 private:
  class HttpCall;

  void Serve(const Endpoint& endpoint, HttpRequest request, Done done);
  absl::StatusOr<std::string> ToMessage(const Endpoint& endpoint, std::string_view body) const;

  Loop& executor_;
  const size_t message_bytes_max_;
  MethodTable methods_;
  std::map<std::string, Endpoint, std::less<>> endpoints_;  // by HTTP path
  const api::MessageJson json_;
};

// A call as handlers see it: it collects the one answer, and converts it when the method has finished.
class JsonGateway::Served::HttpCall final : public api::Call {
 public:
  HttpCall(std::shared_ptr<Served> served, const Endpoint& endpoint, const HttpHeaders& headers, Done done)
      : served_(std::move(served)), endpoint_(endpoint), done_(std::move(done)) {
    for (const auto& [name, value] : headers) {
      if (name == "authorization") metadata_.emplace(name, value);
      if (std::string key = MetadataName(name); !key.empty()) metadata_.emplace(std::move(key), value);
    }
  }
  ~HttpCall() override { Finish(absl::UnavailableError("etcdserver: server stopped")); }

  std::optional<std::string_view> Metadata(std::string_view key) const override {
    const auto found = metadata_.find(key);
    if (found == metadata_.end()) return std::nullopt;
    return found->second;
  }
  api::MonotonicTime deadline() const override { return api::MonotonicTime::max(); }
  void Send(api::WireMessage message) override {
    for (const api::SharedBytes& piece : message) answer_ += *piece;
  }
  void Finish(absl::Status status) override {
    if (finished_.exchange(true)) return;
    served_->executor().Post(
        [served = served_, &endpoint = endpoint_, status = std::move(status), answer = std::move(answer_),
         done = std::move(done_)]() mutable { served->Respond(endpoint, status, answer, std::move(done)); });
  }
  size_t unsent_bytes() const override { return 0; }

 private:
  const std::shared_ptr<Served> served_;
  const Endpoint& endpoint_;
  Done done_;
  std::map<std::string, std::string, std::less<>> metadata_;  // the first value of a name
  std::string answer_;
  std::atomic<bool> finished_{false};
};

JsonGateway::Served::Served(Options options, Loop& executor, Metrics& metrics)
    : executor_(executor),
      message_bytes_max_(options.message_bytes_max),
      methods_(std::move(options.methods), metrics, MetricsDetail::kBasic) {
  LinkGeneratedCode();
  for (const JsonRoute& route : kJsonRoutes) {
    std::string name(route.rpc.substr(1));
    std::replace(name.begin(), name.end(), '/', '.');
    const auto* method = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(name);
    CHECK(method != nullptr) << "the contract has no " << name;
    ServedMethod* served = methods_.Find(std::string(route.rpc));
    if (served == nullptr) continue;  // not offered: the path does not exist
    endpoints_.emplace(route.path,
                       Endpoint{.method = served, .request = method->input_type(), .response = method->output_type()});
  }
}

void JsonGateway::Served::Handle(const HttpRequest& request, Done done) {
  const auto found = endpoints_.find(request.path);
  if (found == endpoints_.end()) return done(ErrorResponse(absl::NotFoundError("Not Found")));
  if (request.method != "POST") return done(ErrorResponse(absl::UnimplementedError("Method Not Allowed")));
  executor_.Post([self = shared_from_this(), &endpoint = found->second, request, done = std::move(done)]() mutable {
    self->Serve(endpoint, std::move(request), std::move(done));
  });
}

void JsonGateway::Served::Serve(const Endpoint& endpoint, HttpRequest request, Done done) {
  if (endpoint.method->method.kind == api::Method::Kind::kStream) {
    return done(ErrorResponse(absl::UnimplementedError("streams are not served as JSON")));
  }
  const absl::StatusOr<std::string> message = ToMessage(endpoint, request.body);
  if (!message.ok()) return done(ErrorResponse(message.status()));
  RpcCounters& counters = endpoint.method->counters;
  counters.Started();
  const auto call = std::make_shared<HttpCall>(shared_from_this(), endpoint, request.headers, std::move(done));
  if (message->size() > message_bytes_max_) {
    return call->Finish(absl::ResourceExhaustedError("grpc: received message larger than max (" +
                                                     std::to_string(message->size()) + " vs. " +
                                                     std::to_string(message_bytes_max_) + ")"));
  }
  counters.Received(message->size());
  endpoint.method->method.unary(call, *message);
}

absl::StatusOr<std::string> JsonGateway::Served::ToMessage(const Endpoint& endpoint, std::string_view body) const {
  REGENT_ASSIGN_OR_RETURN(const std::string_view json, FirstJsonValue(body));
  if (json.empty()) return std::string();
  if (json[0] != '{') return absl::InvalidArgumentError("the request is no JSON object");
  REGENT_RETURN_IF_ERROR(CheckJsonShape(json, *endpoint.request));
  return json_.Parse(*endpoint.request, std::string(json));
}

void JsonGateway::Served::Respond(const Endpoint& endpoint, const absl::Status& status, const std::string& answer,
                                  Done done) {
  endpoint.method->counters.Handled(status.code(), {});
  if (!status.ok()) return done(ErrorResponse(status));
  endpoint.method->counters.Sent(answer.size());
  absl::StatusOr<std::string> json = json_.Print(*endpoint.response, answer);
  done(json.ok() ? JsonResponse(200, *std::move(json)) : ErrorResponse(json.status()));
}

JsonGateway::JsonGateway(Options options, Loop& executor, Metrics& metrics)
    : served_(std::make_shared<Served>(std::move(options), executor, metrics)) {}

JsonGateway::~JsonGateway() = default;

void JsonGateway::Handle(const HttpRequest& request, Done done) { served_->Handle(request, std::move(done)); }

}  // namespace regent::server
