// The sockets of the clients: accepts on TCP and unix addresses, looks at the first bytes of each connection without
// taking them, and hands it to the RPC engine (HTTP/2 preface) or serves it as HTTP/1.1.
//
// One thread with epoll owns all listening sockets and HTTP connections; nothing blocks it. A connection that goes to
// the RPC engine leaves the listener for good.
// Limits: connections that have not said what they are and HTTP connections are bounded in number and time; at the
// limit of file descriptors accepting pauses for a moment and goes on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/rpc/http_endpoints.h"
#include "server/runtime/metrics.h"
#include "server/runtime/socket.h"

namespace regent::server {

struct ListenAddress : SocketAddress {
  enum class Serves {
    kRpcAndHttp,  // --listen-client-urls
    kRpcOnly,     // --listen-client-urls beside --listen-client-http-urls
    kHttpOnly,    // --listen-client-http-urls
    kMetrics,     // --listen-metrics-urls: metrics and health alone
  };
  Serves serves = Serves::kRpcAndHttp;
};

class Listener {
 public:
  struct Options {
    std::vector<ListenAddress> addresses;
    size_t http_connections_max = 1024;       // further ones are closed at once
    size_t http_body_bytes_max = 64 * 1024;   // of one request
    size_t http_bytes_max = 256 << 20;        // held for all requests together; whoever exceeds it is closed
    size_t undecided_connections_max = 4096;  // further ones close the oldest
    std::chrono::seconds first_bytes_timeout{20};
    std::chrono::seconds http_request_timeout{20};  // to receive one request, and to take its answer
    std::chrono::seconds http_idle_timeout{120};    // between requests
  };

  // Binds every address; an error names the address. `hand_over` receives the sockets that speak HTTP/2 and owns them;
  // it is called on the listener's thread. `endpoints` must outlive the listener.
  static absl::StatusOr<std::unique_ptr<Listener>> Open(Options options, HttpEndpoints& endpoints,
                                                        std::function<void(int fd)> hand_over);

  virtual ~Listener() = default;  // stops if needed

  // The addresses as bound, in the order given: real ports in the place of 0.
  virtual const std::vector<ListenAddress>& addresses() const = 0;

  virtual void Start() = 0;  // begins to accept
  virtual void Stop() = 0;   // closes the sockets, ends the thread; HTTP requests under way are dropped
};

}  // namespace regent::server
