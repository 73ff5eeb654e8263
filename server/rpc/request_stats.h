// The log line about unary RPCs that took too long, as etcd writes it: "request stats" with start time, time spent,
// remote, response type, request count and size, response count and size, request content. Values are never in it.
//
// An RPC is measured from the call of its handler to its end. One that is quick costs two looks at the clock and a copy
// of its request if that is short; a long one is described at once, because its text is shorter than itself.
//
// Threads: as the methods that are wrapped.
#pragma once

#include <vector>

#include "api/service/call.h"
#include "server/runtime/loop.h"

namespace regent::server {

// The same methods; what takes longer than `expected` is logged.
std::vector<api::Method> WithRequestStats(std::vector<api::Method> methods, Duration expected);

}  // namespace regent::server
