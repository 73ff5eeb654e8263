#include "api/service/lease_service.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "api/contract/errors.h"
#include "api/service/encode.h"
#include "api/service/propose.h"

namespace regent::api {
namespace {

void LeaseGrant(ServiceContext& context, std::shared_ptr<Call> call, LeaseGrantRequest request) {
  Propose<LeaseGrantResult>(
      context, std::move(call), request,
      [](const Header& header, const LeaseGrantResult& result) { return Encode(header, result); });
}

void LeaseRevoke(ServiceContext& context, std::shared_ptr<Call> call, LeaseRevokeRequest request) {
  Propose<LeaseRevokeResult>(context, std::move(call), request,
                             [](const Header& header, const LeaseRevokeResult&) { return EncodeHeaderOnly(header); });
}

void LeaseTimeToLive(ServiceContext& context, std::shared_ptr<Call> call, LeaseTimeToLiveRequest request) {
  context.backend().LeaseTimeToLive(
      request.id, request.keys,
      [&context, call = std::move(call), id = request.id](absl::StatusOr<LeaseTimeToLiveResult> result) {
        if (!result.ok()) return Fail(*call, result.status());
        Answer(*call, Encode(context.HeaderAt(result->revision), id, *result));
      });
}

void LeaseLeases(ServiceContext& context, std::shared_ptr<Call> call, EmptyRequest) {
  context.backend().LeaseLeases([&context, call = std::move(call)](absl::StatusOr<LeaseLeasesResult> result) {
    if (!result.ok()) return Fail(*call, result.status());
    Answer(*call, Encode(context.HeaderAt(result->revision), *result));
  });
}

// What a stream and its requests in flight share. The stream itself holds one of `open`; whoever brings it to zero ends
// the call.
struct KeepAlives {
  explicit KeepAlives(std::shared_ptr<Call> stream) : call(std::move(stream)) {}

  void Release() {
    if (open.fetch_sub(1) == 1) call->Finish(absl::OkStatus());
  }

  const std::shared_ptr<Call> call;
  std::atomic<int64_t> open{1};
};

class KeepAliveStream : public StreamHandler {
 public:
  KeepAliveStream(ServiceContext& context, std::shared_ptr<Call> call)
      : context_(context), keep_alives_(std::make_shared<KeepAlives>(call)) {
    if (ServiceContext::RequiresLeader(*call)) leader_bound_.emplace(context.leader_bound_streams(), call);
  }

  void OnMessage(std::string_view message) override {
    LeaseKeepAliveRequest request;
    if (!Decode(message, request).ok()) return keep_alives_->call->Finish(ErrMalformedStreamMessage());
    if (keep_alives_->open.fetch_add(1) > kKeepAlivesInFlightMax) {
      keep_alives_->call->Finish(ErrTooManyRequests());
      return keep_alives_->Release();
    }
    context_.backend().LeaseKeepAlive(request.id, [&context = context_, shared = keep_alives_,
                                                   id = request.id](absl::StatusOr<LeaseKeepAliveResult> result) {
      if (result.ok()) {
        std::string answer = Encode(context.HeaderAt(result->revision), id, *result);
        shared->call->Send({std::make_shared<const std::string>(std::move(answer))});
      } else {
        shared->call->Finish(result.status());
      }
      shared->Release();
    });
  }

  void OnHalfClose() override { keep_alives_->Release(); }
  void OnSent() override {}
  void OnDone() override { leader_bound_.reset(); }

 private:
  ServiceContext& context_;
  const std::shared_ptr<KeepAlives> keep_alives_;
  std::optional<LeaderBoundStreams::Registration> leader_bound_;
};

std::unique_ptr<StreamHandler> LeaseKeepAlive(ServiceContext& context, std::shared_ptr<Call> call) {
  if (absl::Status status = context.Admit(*call); !status.ok()) {
    call->Finish(status);
    return IgnoringHandler();
  }
  return std::make_unique<KeepAliveStream>(context, std::move(call));
}

}  // namespace

std::vector<Method> LeaseMethods(ServiceContext& context) {
  return {
      Unary<LeaseGrantRequest>(context, "/etcdserverpb.Lease/LeaseGrant", &LeaseGrant),
      Unary<LeaseRevokeRequest>(context, "/etcdserverpb.Lease/LeaseRevoke", &LeaseRevoke),
      Unary<LeaseTimeToLiveRequest>(context, "/etcdserverpb.Lease/LeaseTimeToLive", &LeaseTimeToLive),
      Unary<EmptyRequest>(context, "/etcdserverpb.Lease/LeaseLeases", &LeaseLeases),
      {.path = "/etcdserverpb.Lease/LeaseKeepAlive",
       .kind = Method::Kind::kStream,
       .unary = nullptr,
       .stream = [&context](std::shared_ptr<Call> call) { return LeaseKeepAlive(context, std::move(call)); }},
  };
}

}  // namespace regent::api
