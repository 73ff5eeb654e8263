#include "server/runtime/init_daemon.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "server/runtime/system_error.h"

namespace regent::server {

absl::Status NotifyInitDaemon(const std::string& socket_name, std::string_view state) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const bool is_known = !socket_name.empty() && (socket_name[0] == '/' || socket_name[0] == '@');
  if (!is_known || socket_name.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError("\"" + socket_name + "\" is neither a path nor a name with @ in front");
  }
  std::memcpy(address.sun_path, socket_name.data(), socket_name.size());
  if (socket_name[0] == '@') address.sun_path[0] = '\0';
  const auto size_bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_name.size());
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::UnavailableError(SystemError(errno));
  const ssize_t sent =
      sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), size_bytes);
  const int error = errno;
  close(fd);
  if (sent != static_cast<ssize_t>(state.size())) return absl::UnavailableError(SystemError(error));
  return absl::OkStatus();
}

}  // namespace regent::server
