// An RPC engine on gRPC C++ with completion queues. Send and Finish start the transport's work at once, on the caller's
// thread.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/rpc/rpc_engine.h"
#include "server/runtime/metrics.h"

namespace regent::server {

// A running engine. `metrics` must outlive it.
absl::StatusOr<std::unique_ptr<RpcEngine>> StartGrpcEngine(RpcEngine::Options options, Metrics& metrics);

}  // namespace regent::server
