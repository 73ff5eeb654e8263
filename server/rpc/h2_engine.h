// The RPC engine of the server: gRPC over HTTP/2 on libnghttp2, one epoll loop per engine thread (h2_worker.h).
#pragma once

#include <memory>

#include "server/rpc/rpc_engine.h"
#include "server/runtime/metrics.h"

namespace regent::server {

// A running engine. `metrics` must outlive it.
std::unique_ptr<RpcEngine> StartH2Engine(RpcEngine::Options options, Metrics& metrics);

}  // namespace regent::server
