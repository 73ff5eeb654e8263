#include "api/service/cluster_service.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "api/contract/errors.h"
#include "api/service/encode.h"
#include "api/service/propose.h"

namespace regent::api {
namespace {

// Headers of this service carry no revision.
Header WithoutRevision(ServiceContext& context) {
  Header header = context.HeaderAt({});
  header.revision = {};
  return header;
}

// The one that is in the list now and was asked for with these URLs; the backend has picked its id.
Member Added(const MemberAddRequest& request, const std::vector<Member>& members) {
  const auto found = std::find_if(members.begin(), members.end(), [&](const Member& member) {
    return member.peer_urls == request.peer_urls && member.is_learner == request.is_learner;
  });
  return found == members.end() ? Member() : *found;
}

void MemberAdd(ServiceContext& context, std::shared_ptr<Call> call, MemberAddRequest request) {
  const auto& is_peer_url = context.options().is_peer_url;
  const bool bad =
      request.peer_urls.empty() || !std::all_of(request.peer_urls.begin(), request.peer_urls.end(), is_peer_url);
  if (bad) return Fail(*call, ErrMemberBadUrls());
  std::sort(request.peer_urls.begin(), request.peer_urls.end());
  Propose<MembersResult>(context, std::move(call), request,
                         [&context, request](const Header&, const MembersResult& result) {
                           return Encode(WithoutRevision(context), Added(request, result.members), result.members);
                         });
}

template <typename Request>
void Change(ServiceContext& context, std::shared_ptr<Call> call, Request request) {
  Propose<MembersResult>(context, std::move(call), std::move(request),
                         [&context](const Header&, const MembersResult& result) {
                           return Encode(WithoutRevision(context), result.members);
                         });
}

void MemberList(ServiceContext& context, std::shared_ptr<Call> call, MemberListRequest request) {
  const MonotonicTime deadline = context.Deadline(*call);
  context.backend().MemberList(request.linearizable, deadline,
                               [&context, call = std::move(call)](absl::StatusOr<std::vector<Member>> members) {
                                 if (!members.ok()) return Fail(*call, members.status());
                                 Answer(*call, Encode(WithoutRevision(context), *members));
                               });
}

}  // namespace

std::vector<Method> ClusterMethods(ServiceContext& context) {
  return {Unary<MemberListRequest>(context, "/etcdserverpb.Cluster/MemberList", &MemberList),
          Unary<MemberAddRequest>(context, "/etcdserverpb.Cluster/MemberAdd", &MemberAdd),
          Unary<MemberRemoveRequest>(context, "/etcdserverpb.Cluster/MemberRemove", &Change<MemberRemoveRequest>),
          Unary<MemberUpdateRequest>(context, "/etcdserverpb.Cluster/MemberUpdate", &Change<MemberUpdateRequest>),
          Unary<MemberPromoteRequest>(context, "/etcdserverpb.Cluster/MemberPromote", &Change<MemberPromoteRequest>)};
}

}  // namespace regent::api
