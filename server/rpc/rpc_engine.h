// An RPC engine: serves any list of api::Method over HTTP/2 connections. It listens on nothing itself: the listener
// hands it connected sockets. Plaintext only.
//
// Two exist. The engine of the server is our own session layer over libnghttp2 (h2_engine.h). The other one is gRPC C++
// (grpc_engine.h): several times the work per call, and kept as the second opinion of the tests.
//
// Threads: each connection belongs to one of `threads` engine threads; the functions of one call's handler run on its
// thread, one at a time. Send and Finish may be called from any thread.
// Order: Start; then AddConnection from any thread; the caller of Shutdown has stopped adding connections.
// Limits: a received message is at most max_request_bytes + kOverheadBytes, sent ones are unlimited; what a handler
// queues for a slow client is the handler's to bound by unsent_bytes().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "api/service/call.h"
#include "server/rpc/method_table.h"

namespace regent::server {

class RpcEngine {
 public:
  static constexpr size_t kOverheadBytes = 512 * 1024;    // added to max_request_bytes, as etcd does
  static constexpr size_t kMetadataBytesMax = 64 * 1024;  // of one call; a token is the longest value

  struct Options {
    std::vector<api::Method> methods;
    size_t max_request_bytes = 1536 * 1024;
    uint32_t max_concurrent_streams = UINT32_MAX;  // of one connection
    std::chrono::nanoseconds keepalive_min_time =
        std::chrono::seconds(5);                                          // a client that pings more often is sent away
    std::chrono::nanoseconds keepalive_interval = std::chrono::hours(2);  // of the server's own pings; 0: none
    std::chrono::nanoseconds keepalive_timeout = std::chrono::seconds(20);  // of their answer
    MetricsDetail metrics_detail = MetricsDetail::kBasic;
    std::chrono::nanoseconds handshake_timeout = std::chrono::seconds(20);  // and of the farewell; not of gRPC C++
    int threads = 1;
  };

  virtual ~RpcEngine() = default;  // REQUIRES: Shutdown has returned

  // Takes a connected socket (O_NONBLOCK, TCP_NODELAY) whose next bytes are the HTTP/2 preface, and owns it.
  virtual void AddConnection(int fd) = 0;

  // Accepts no further RPC, waits up to `drain` for those that run, then cancels the rest; returns when the last OnDone
  // has returned and the threads have ended. Not on an engine thread. Calls that handlers still hold stay safe.
  virtual void Shutdown(std::chrono::nanoseconds drain) = 0;
};

}  // namespace regent::server
