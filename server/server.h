// The composition root: makes the loops, the log, the store, the node, the services, the RPC engine and the listeners,
// and ends them in the right order. It alone sees everything; nothing sees it but main.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "server/config/settings.h"

namespace regent::server {

class Server {
 public:
  // Returns when the node is ready to serve client requests and the listeners accept. Errors name what is wrong and
  // what to do; nothing runs any more then. A disk that fails later ends the process.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const Settings& settings);

  virtual ~Server() = default;  // REQUIRES: Stop has returned

  // Stops accepting, drains, flushes and closes.
  virtual void Stop() = 0;
};

}  // namespace regent::server
