#include "api/service/cluster_service.h"

#include <memory>
#include <utility>

#include "api/service/encode.h"

namespace regent::api {
namespace {

void MemberList(ServiceContext& context, std::shared_ptr<Call> call, MemberListRequest request) {
  const MonotonicTime deadline = context.Deadline(*call);
  context.backend().MemberList(request.linearizable, deadline,
                               [&context, call = std::move(call)](absl::StatusOr<std::vector<Member>> members) {
                                 if (!members.ok()) return Fail(*call, members.status());
                                 Header header = context.HeaderAt({});
                                 header.revision = {};
                                 Answer(*call, Encode(header, *members));
                               });
}

}  // namespace

std::vector<Method> ClusterMethods(ServiceContext& context) {
  return {Unary<MemberListRequest>(context, "/etcdserverpb.Cluster/MemberList", &MemberList)};
}

}  // namespace regent::api
