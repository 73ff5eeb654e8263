// grpc.health.v1.Health: the server as a whole (service "") is serving from the first call on; another name is unknown.
#pragma once

#include <vector>

#include "api/service/call.h"
#include "api/service/service_context.h"

namespace regent::api {

// `context` outlives the methods and their calls.
std::vector<Method> HealthMethods(ServiceContext& context);

}  // namespace regent::api
