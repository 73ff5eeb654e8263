// Sockets on TCP and unix addresses: bound and listening, or connecting. None of them blocks.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

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

struct SocketAddress {
  bool is_unix = false;
  std::string host;   // an IP address without brackets, "localhost", or empty for all interfaces; of unix: the path
  uint16_t port = 0;  // 0: a free one
  bool reuse_port = false;  // other processes may listen on the port, if they say so too
};

// Binds and listens; fills in the port when it was 0. A unix socket that a dead server left behind is replaced.
absl::StatusOr<OwnedFd> OpenListenSocket(SocketAddress& address);

// Begins to connect: the socket becomes writable when it is done, and ConnectError then says how. The host is an IP
// address or "localhost": names are looked up elsewhere, because that blocks.
absl::StatusOr<OwnedFd> BeginConnect(const SocketAddress& address);
// Of a socket that became writable; 0: connected.
int ConnectError(int fd);

// TCP itself asks a silent peer whether it is there, and ends the connection within about ten seconds if it is not.
void KeepAlive(int fd);

// "127.0.0.1:2379", "[::1]:2379", or the path.
std::string ToText(const SocketAddress& address);

// Who is at the other end of a connected socket: as above, "@" of a unix socket. An IPv4 address is one also where it
// came to a socket of both families.
std::string PeerText(int fd);

}  // namespace regent::server
