#include "api/service/maintenance_service.h"

#include <memory>
#include <string>
#include <utility>

#include "api/contract/validate.h"
#include "api/service/encode.h"
#include "api/service/propose.h"

namespace regent::api {
namespace {

void Status(ServiceContext& context, std::shared_ptr<Call> call, EmptyRequest) {
  context.backend().Status([&context, call = std::move(call)](absl::StatusOr<StatusResult> status) {
    if (!status.ok()) return Fail(*call, status.status());
    Answer(*call, Encode(context.HeaderAt(status->revision), *status));
  });
}

void Alarm(ServiceContext& context, std::shared_ptr<Call> call, AlarmRequest request) {
  if (absl::Status status = Validate(request); !status.ok()) return Fail(*call, status);
  if (request.action == AlarmAction::kGet) {
    return context.backend().Alarms(request, [&context, call = std::move(call)](absl::StatusOr<AlarmResult> result) {
      if (!result.ok()) return Fail(*call, result.status());
      Answer(*call, Encode(context.HeaderAt(result->revision), *result));
    });
  }
  Propose<AlarmResult>(context, std::move(call), request,
                       [](const Header& header, const AlarmResult& result) { return Encode(header, result); });
}

void Defragment(ServiceContext& context, std::shared_ptr<Call> call, EmptyRequest) {
  context.backend().Defragment([call = std::move(call)](absl::StatusOr<std::monostate> done) {
    if (!done.ok()) return Fail(*call, done.status());
    Answer(*call, std::string());
  });
}

// As etcd's, the answer has no header.
void MoveLeader(ServiceContext& context, std::shared_ptr<Call> call, MoveLeaderRequest request) {
  context.backend().MoveLeader(request.target_id, [call = std::move(call)](absl::StatusOr<std::monostate> done) {
    if (!done.ok()) return Fail(*call, done.status());
    Answer(*call, std::string());
  });
}

void Hash(ServiceContext& context, std::shared_ptr<Call> call, EmptyRequest) {
  context.backend().Hash([&context, call = std::move(call)](absl::StatusOr<HashResult> result) {
    if (!result.ok()) return Fail(*call, result.status());
    Answer(*call, Encode(context.HeaderAt(result->revision), *result));
  });
}

void HashKv(ServiceContext& context, std::shared_ptr<Call> call, HashKvRequest request) {
  context.backend().HashKv(request.revision, [&context, call = std::move(call)](absl::StatusOr<HashKvResult> result) {
    if (!result.ok()) return Fail(*call, result.status());
    Answer(*call, Encode(context.HeaderAt(result->revision), *result));
  });
}

}  // namespace

std::vector<Method> MaintenanceMethods(ServiceContext& context) {
  return {
      Unary<EmptyRequest>(context, "/etcdserverpb.Maintenance/Status", &Status),
      Unary<AlarmRequest>(context, "/etcdserverpb.Maintenance/Alarm", &Alarm),
      Unary<EmptyRequest>(context, "/etcdserverpb.Maintenance/Defragment", &Defragment),
      Unary<MoveLeaderRequest>(context, "/etcdserverpb.Maintenance/MoveLeader", &MoveLeader),
      Unary<EmptyRequest>(context, "/etcdserverpb.Maintenance/Hash", &Hash),
      Unary<HashKvRequest>(context, "/etcdserverpb.Maintenance/HashKV", &HashKv),
  };
}

}  // namespace regent::api
