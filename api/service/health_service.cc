#include "api/service/health_service.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "api/contract/errors.h"
#include "api/contract/wire.h"

namespace regent::api {
namespace {

enum class ServingStatus : uint8_t { kServing = 1, kServiceUnknown = 3 };

std::string EncodeStatus(ServingStatus status) {
  std::string out;
  AppendUint64(out, 1, static_cast<uint64_t>(status));
  return out;
}

void Check(ServiceContext&, std::shared_ptr<Call> call, HealthCheckRequest request) {
  if (!request.service.empty()) return Fail(*call, absl::NotFoundError("unknown service"));
  Answer(*call, EncodeStatus(ServingStatus::kServing));
}

// A map with one entry: the key "" and its status.
void List(ServiceContext&, std::shared_ptr<Call> call, EmptyRequest) {
  std::string entry;
  AppendMessage(entry, 1, "");
  AppendMessage(entry, 2, EncodeStatus(ServingStatus::kServing));
  std::string out;
  AppendMessage(out, 1, entry);
  Answer(*call, std::move(out));
}

// Says the status once and stays open: it does not change.
class HealthStream : public StreamHandler {
 public:
  explicit HealthStream(std::shared_ptr<Call> call) : call_(std::move(call)) {}

  void OnMessage(std::string_view message) override {
    HealthCheckRequest request;
    if (!Decode(message, request).ok()) return call_->Finish(ErrMalformedStreamMessage());
    const ServingStatus status = request.service.empty() ? ServingStatus::kServing : ServingStatus::kServiceUnknown;
    call_->Send({std::make_shared<const std::string>(EncodeStatus(status))});
  }

  void OnHalfClose() override {}
  void OnSent() override {}
  void OnDone() override {}

 private:
  const std::shared_ptr<Call> call_;
};

}  // namespace

std::vector<Method> HealthMethods(ServiceContext& context) {
  return {
      Unary<HealthCheckRequest>(context, "/grpc.health.v1.Health/Check", &Check),
      Unary<EmptyRequest>(context, "/grpc.health.v1.Health/List", &List),
      {.path = "/grpc.health.v1.Health/Watch",
       .kind = Method::Kind::kStream,
       .unary = nullptr,
       .stream = [](std::shared_ptr<Call> call) { return std::make_unique<HealthStream>(std::move(call)); }},
  };
}

}  // namespace regent::api
