// etcdserverpb.Lease: grant, revoke, keep alive, time to live, list.
//
// A keep-alive stream answers each request when the backend has; clients match the answers by lease. It may have
// kKeepAlivesInFlightMax requests unanswered. After the client's half close the rest is answered, then it ends.
#pragma once

#include <cstdint>
#include <vector>

#include "api/service/call.h"
#include "api/service/service_context.h"

namespace regent::api {

inline constexpr int64_t kKeepAlivesInFlightMax = 10'000;

// `context` outlives the methods and their calls.
std::vector<Method> LeaseMethods(ServiceContext& context);

}  // namespace regent::api
