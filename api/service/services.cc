#include "api/service/services.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "api/contract/errors.h"
#include "api/service/cluster_service.h"
#include "api/service/health_service.h"
#include "api/service/kv_service.h"
#include "api/service/lease_service.h"
#include "api/service/maintenance_service.h"
#include "api/service/watch_service.h"
#include "glog/logging.h"

namespace regent::api {
namespace {

constexpr std::string_view kUnimplementedUnary[] = {
    "/etcdserverpb.Maintenance/Downgrade",
    "/etcdserverpb.Auth/AuthEnable",
    "/etcdserverpb.Auth/AuthDisable",
    "/etcdserverpb.Auth/AuthStatus",
    "/etcdserverpb.Auth/Authenticate",
    "/etcdserverpb.Auth/UserAdd",
    "/etcdserverpb.Auth/UserGet",
    "/etcdserverpb.Auth/UserList",
    "/etcdserverpb.Auth/UserDelete",
    "/etcdserverpb.Auth/UserChangePassword",
    "/etcdserverpb.Auth/UserGrantRole",
    "/etcdserverpb.Auth/UserRevokeRole",
    "/etcdserverpb.Auth/RoleAdd",
    "/etcdserverpb.Auth/RoleGet",
    "/etcdserverpb.Auth/RoleList",
    "/etcdserverpb.Auth/RoleDelete",
    "/etcdserverpb.Auth/RoleGrantPermission",
    "/etcdserverpb.Auth/RoleRevokePermission",
    "/v3lockpb.Lock/Lock",
    "/v3lockpb.Lock/Unlock",
    "/v3electionpb.Election/Campaign",
    "/v3electionpb.Election/Proclaim",
    "/v3electionpb.Election/Leader",
    "/v3electionpb.Election/Resign",
};

constexpr std::string_view kUnimplementedStreams[] = {
    "/etcdserverpb.Maintenance/Snapshot",
    "/v3electionpb.Election/Observe",
};

absl::Status NotImplemented(const std::string& path) {
  return ErrUnimplemented("method " + path + " is not implemented by this server");
}

Method UnimplementedUnary(std::string path) {
  const auto run = [path](const std::shared_ptr<Call>& call, std::string_view) { Fail(*call, NotImplemented(path)); };
  return {.path = path, .kind = Method::Kind::kUnary, .unary = run, .stream = nullptr};
}

Method UnimplementedStream(std::string path) {
  const auto run = [path](const std::shared_ptr<Call>& call) {
    call->Finish(NotImplemented(path));
    return IgnoringHandler();
  };
  return {.path = path, .kind = Method::Kind::kStream, .unary = nullptr, .stream = run};
}

}  // namespace

Services::Services(Backend& backend, ServiceOptions options) : context_(backend, std::move(options)) {
  CHECK(context_.options().now != nullptr) << "services need a clock";
}

std::vector<Method> Services::Methods() {
  std::vector<Method> methods;
  for (auto* of_service :
       {&KvMethods, &WatchMethods, &LeaseMethods, &ClusterMethods, &MaintenanceMethods, &HealthMethods}) {
    for (Method& method : of_service(context_)) methods.push_back(std::move(method));
  }
  for (std::string_view path : kUnimplementedUnary) methods.push_back(UnimplementedUnary(std::string(path)));
  for (std::string_view path : kUnimplementedStreams) methods.push_back(UnimplementedStream(std::string(path)));
  return methods;
}

}  // namespace regent::api
