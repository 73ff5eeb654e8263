// A bound, listening, non-blocking socket on a TCP or unix address.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/rpc/listener.h"

namespace regent::server {

// A file descriptor with one owner.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.Release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept;
  ~OwnedFd();
  int get() const { return fd_; }
  int Release();

 private:
  int fd_ = -1;
};

// Binds and listens; fills in the port when it was 0. A unix socket that a dead server left behind is replaced.
absl::StatusOr<OwnedFd> OpenListenSocket(ListenAddress& address);

// "127.0.0.1:2379", "[::1]:2379", or the path.
std::string ToText(const ListenAddress& address);

// Who is at the other end of a connected socket: as above, "@" of a unix socket.
std::string PeerText(int fd);

}  // namespace regent::server
