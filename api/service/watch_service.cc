#include "api/service/watch_service.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "api/contract/errors.h"
#include "api/service/encode.h"

namespace regent::api {
namespace {

// The call as the hub sees it. Used on the watch loop; holds nothing that changes.
class CallSink : public WatchSink {
 public:
  CallSink(const ServiceContext& context, std::shared_ptr<Call> call) : context_(context), call_(std::move(call)) {}

  void Send(WatchMessage message) override {
    Header header = context_.HeaderAt({});
    header.revision = message.revision;
    const size_t fragment_bytes_max = context_.options().max_request_bytes + kRpcOverheadBytes;
    for (WireMessage& part : Encode(header, message, fragment_bytes_max)) call_->Send(std::move(part));
  }

  size_t unsent_bytes() const override { return call_->unsent_bytes(); }
  void Finish(absl::Status status) override { call_->Finish(std::move(status)); }

 private:
  const ServiceContext& context_;
  const std::shared_ptr<Call> call_;
};

class WatchHandler : public StreamHandler {
 public:
  WatchHandler(ServiceContext& context, std::shared_ptr<Call> call) : call_(std::move(call)) {
    if (ServiceContext::RequiresLeader(*call_)) leader_bound_.emplace(context.leader_bound_streams(), call_);
    watches_ = context.backend().OpenWatch(std::make_shared<CallSink>(context, call_));
  }

  void OnMessage(std::string_view message) override {
    WatchRequest request;
    if (!Decode(message, request).ok()) return call_->Finish(ErrMalformedStreamMessage());
    if (auto* create = std::get_if<WatchCreate>(&request)) {
      if (create->key.empty()) create->key = std::string(1, '\0');  // the smallest key
      watches_->Create(std::move(*create));
    } else if (const auto* cancel = std::get_if<WatchCancel>(&request)) {
      watches_->Cancel(cancel->watch_id);
    } else if (std::holds_alternative<WatchProgress>(request)) {
      watches_->RequestProgress();
    }
  }

  void OnHalfClose() override {}
  void OnSent() override { watches_->Drained(); }

  void OnDone() override {
    leader_bound_.reset();
    watches_.reset();
  }

 private:
  const std::shared_ptr<Call> call_;
  std::optional<LeaderBoundStreams::Registration> leader_bound_;
  std::unique_ptr<WatchStream> watches_;
};

std::unique_ptr<StreamHandler> Watch(ServiceContext& context, std::shared_ptr<Call> call) {
  if (absl::Status status = context.Admit(*call); !status.ok()) {
    call->Finish(status);
    return IgnoringHandler();
  }
  return std::make_unique<WatchHandler>(context, std::move(call));
}

}  // namespace

std::vector<Method> WatchMethods(ServiceContext& context) {
  return {{.path = "/etcdserverpb.Watch/Watch",
           .kind = Method::Kind::kStream,
           .unary = nullptr,
           .stream = [&context](std::shared_ptr<Call> call) { return Watch(context, std::move(call)); }}};
}

}  // namespace regent::api
