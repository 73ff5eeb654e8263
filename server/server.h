// The composition root: makes the loops, the log, the store, the node, the services, the RPC engine and the listeners,
// and ends them in the right order. It alone sees everything; nothing sees it but main.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "server/config/settings.h"

namespace regent::server {

class Server {
 public:
  struct Events {  // each once, on another thread
    // The node is ready to serve client requests and the listeners accept: on a disk that is full that may be much
    // later, and Stop may come before.
    std::function<void()> on_serving;
    // This member is none of the cluster any more, for ever: whoever runs the server should stop it.
    std::function<void()> on_removed;
  };

  // Opens everything. Errors name what is wrong and what to do; nothing runs any more then. A disk that fails later
  // ends the process.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Settings& settings, Events events);

  virtual ~Server() = default;  // REQUIRES: Stop has returned

  // Stops accepting, drains, flushes and closes.
  virtual void Stop() = 0;
};

}  // namespace regent::server
