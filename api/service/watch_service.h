// etcdserverpb.Watch: many watches on one stream.
//
// The rules of watches (ids, order, catch-up, progress) live in the node's hub behind WatchStream. The service decodes
// requests, encodes messages, and splits those that the hub has marked `fragment` when they are longer than
// max_request_bytes + kRpcOverheadBytes.
//
// A half close changes nothing: who sends no more requests still gets events. The stream ends when the client goes,
// when the hub finishes it, on a malformed message, or, with `hasleader`, when the leader stays away.
#pragma once

#include <vector>

#include "api/service/call.h"
#include "api/service/service_context.h"

namespace regent::api {

// `context` outlives the methods and their calls.
std::vector<Method> WatchMethods(ServiceContext& context);

}  // namespace regent::api
