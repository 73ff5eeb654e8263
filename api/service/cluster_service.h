// etcdserverpb.Cluster: who the members are, and changing that. Its headers carry no revision.
#pragma once

#include <vector>

#include "api/service/call.h"
#include "api/service/service_context.h"

namespace regent::api {

// `context` outlives the methods and their calls.
std::vector<Method> ClusterMethods(ServiceContext& context);

}  // namespace regent::api
