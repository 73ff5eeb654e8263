// What the service manager that started the process is told: systemd's notification protocol, a datagram with lines
// "READY=1" or "STOPPING=1" to the socket that NOTIFY_SOCKET names.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace regent::server {

// `socket`: the path of a unix socket, or a name in the abstract space, written with @ in front.
absl::Status NotifyInitDaemon(const std::string& socket, std::string_view state);

}  // namespace regent::server
