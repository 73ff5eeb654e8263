// Any bytes as the body of a JSON request. Promises checked: each request is answered exactly once; what reaches a
// method is a message that its decoder understands; everything else is an error with a text.
//
// The first byte chooses the path.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/service/decode.h"
#include "server/rpc/json_gateway.h"

namespace regent::server {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

// Runs tasks when it is told to.
class ManualLoop final : public Loop {
 public:
  void Post(Task task) override { tasks_.push_back(std::move(task)); }
  TimerId PostAfter(Duration, Task) override { return TimerId::kNone; }
  void Cancel(TimerId) override {}
  MonotonicTime Now() const override { return {}; }
  void RunAll() {
    for (; !tasks_.empty(); tasks_.pop_front()) std::move(tasks_.front())();
  }

 private:
  std::deque<Task> tasks_;
};

// A text may hold what no message may: a string that is not UTF-8, too many operations.
template <typename Request>
void CheckDecodes(std::string_view message) {
  Request request;
  const absl::Status status = api::Decode(message, request);
  Require(status.ok() || !status.message().empty());
}

void CheckTxnDecodes(std::string_view message) {
  api::TxnRequest request;
  const absl::Status status = api::Decode(message, 128, request);
  Require(status.ok() || !status.message().empty());
}

struct Route {
  const char* method;
  const char* path;
  void (*check)(std::string_view message);
};

constexpr Route kRoutes[] = {
    {"/etcdserverpb.KV/Put", "/v3/kv/put", CheckDecodes<api::PutRequest>},
    {"/etcdserverpb.KV/Range", "/v3/kv/range", CheckDecodes<api::RangeRequest>},
    {"/etcdserverpb.KV/DeleteRange", "/v3/kv/deleterange", CheckDecodes<api::DeleteRangeRequest>},
    {"/etcdserverpb.KV/Txn", "/v3/kv/txn", CheckTxnDecodes},
    {"/etcdserverpb.KV/Compact", "/v3/kv/compaction", CheckDecodes<api::CompactionRequest>},
    {"/etcdserverpb.Lease/LeaseGrant", "/v3/lease/grant", CheckDecodes<api::LeaseGrantRequest>},
};
constexpr size_t kRouteCount = sizeof(kRoutes) / sizeof(kRoutes[0]);

// Made once: building the type tables takes longer than any request.
struct Fixture {
  ManualLoop loop;
  Metrics metrics;
  JsonGateway gateway{{.methods = Methods(), .message_bytes_max = 1 << 20}, loop, metrics};

  static std::vector<api::Method> Methods() {
    std::vector<api::Method> methods;
    for (const Route& route : kRoutes) {
      methods.push_back({.path = route.method,
                         .kind = api::Method::Kind::kUnary,
                         .unary =
                             [check = route.check](std::shared_ptr<api::Call> call, std::string_view request) {
                               check(request);
                               call->Send({std::make_shared<const std::string>()});
                               call->Finish(absl::OkStatus());
                             },
                         .stream = nullptr});
    }
    return methods;
  }
};

void CheckRequest(const Route& route, std::string_view body) {
  static Fixture* const fixture = new Fixture;
  HttpRequest request;
  request.method = "POST";
  request.path = route.path;
  request.body = body;
  int answers = 0;
  fixture->gateway.Handle(request, [&answers](const HttpResponse& response) {
    ++answers;
    Require(response.status == 200 ||
            (response.status >= 400 && response.body.find("\"message\"") != std::string::npos));
  });
  fixture->loop.RunAll();
  Require(answers == 1);
}

}  // namespace
}  // namespace regent::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  regent::server::CheckRequest(regent::server::kRoutes[data[0] % regent::server::kRouteCount],
                               std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  return 0;
}
