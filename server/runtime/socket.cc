#include "server/runtime/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "server/runtime/system_error.h"

namespace regent::server {
namespace {

// `action`: "listen" or "dial".
std::string Describe(const char* action, const SocketAddress& address) {
  return std::string(action) + (address.is_unix ? " unix " : " tcp ") + ToText(address);
}

absl::Status SocketError(const char* action, const SocketAddress& address, const char* step, int error) {
  return absl::UnavailableError(Describe(action, address) + ": " + step + ": " + SystemError(error));
}

// An address of any family as the system calls take it, with its true length.
struct RawAddress {
  sockaddr_storage storage{};
  socklen_t size_bytes = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

absl::StatusOr<RawAddress> TcpAddress(const char* action, const SocketAddress& address) {
  RawAddress out;
  const std::string host = address.host == "localhost" ? "127.0.0.1" : address.host;
  auto* const ipv4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* const ipv6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (inet_pton(AF_INET, host.c_str(), &ipv4->sin_addr) == 1) {
    ipv4->sin_family = AF_INET;
    ipv4->sin_port = htons(address.port);
    out.size_bytes = sizeof(sockaddr_in);
    return out;
  }
  // An empty host: all interfaces of both families.
  if (host.empty() || inet_pton(AF_INET6, host.c_str(), &ipv6->sin6_addr) == 1) {
    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_port = htons(address.port);
    out.size_bytes = sizeof(sockaddr_in6);
    return out;
  }
  return absl::InvalidArgumentError(Describe(action, address) + ": not an IP address");
}

absl::StatusOr<RawAddress> UnixAddress(const char* action, const SocketAddress& address) {
  RawAddress out;
  auto* const local = reinterpret_cast<sockaddr_un*>(&out.storage);
  if (address.host.empty() || address.host.size() >= sizeof(local->sun_path)) {
    return absl::InvalidArgumentError(Describe(action, address) + ": the path is empty or too long");
  }
  local->sun_family = AF_UNIX;
  std::memcpy(local->sun_path, address.host.c_str(), address.host.size() + 1);
  out.size_bytes = sizeof(sockaddr_un);
  return out;
}

absl::StatusOr<RawAddress> ToRaw(const char* action, const SocketAddress& address) {
  return address.is_unix ? UnixAddress(action, address) : TcpAddress(action, address);
}

void RemoveStaleUnixSocket(const std::string& path) {
  struct stat entry {};
  if (lstat(path.c_str(), &entry) == 0 && S_ISSOCK(entry.st_mode)) unlink(path.c_str());
}

uint16_t PortOf(RawAddress& address) {
  return ntohs(address.family() == AF_INET ? reinterpret_cast<sockaddr_in*>(&address.storage)->sin_port
                                           : reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_port);
}

void ReadBoundPort(int fd, SocketAddress& address) {
  RawAddress bound;
  bound.size_bytes = sizeof bound.storage;
  if (getsockname(fd, bound.get(), &bound.size_bytes) != 0) return;
  address.port = PortOf(bound);
}

absl::StatusOr<OwnedFd> BindAndListen(RawAddress raw, const SocketAddress& address) {
  OwnedFd fd(socket(raw.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return SocketError("listen", address, "socket", errno);
  const int on = 1, off = 0;
  if (!address.is_unix) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.reuse_port) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (raw.family() == AF_INET6 && address.host.empty()) {
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (bind(fd.get(), raw.get(), raw.size_bytes) != 0) return SocketError("listen", address, "bind", errno);
  if (listen(fd.get(), SOMAXCONN) != 0) return SocketError("listen", address, "listen", errno);
  return fd;
}

}  // namespace

OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = other.Release();
  }
  return *this;
}

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) close(fd_);
}

int OwnedFd::Release() { return std::exchange(fd_, -1); }

absl::StatusOr<OwnedFd> OpenListenSocket(SocketAddress& address) {
  absl::StatusOr<RawAddress> raw = ToRaw("listen", address);
  if (!raw.ok()) return raw.status();
  if (address.is_unix) RemoveStaleUnixSocket(address.host);
  absl::StatusOr<OwnedFd> fd = BindAndListen(*raw, address);
  if (!fd.ok() && !address.is_unix && address.host.empty()) {  // a machine without IPv6
    SocketAddress all_ipv4 = address;
    all_ipv4.host = "0.0.0.0";
    raw = ToRaw("listen", all_ipv4);
    if (!raw.ok()) return raw.status();
    fd = BindAndListen(*raw, address);
  }
  if (fd.ok() && !address.is_unix) ReadBoundPort(fd->get(), address);
  return fd;
}

absl::StatusOr<OwnedFd> BeginConnect(const SocketAddress& address) {
  absl::StatusOr<RawAddress> raw = ToRaw("dial", address);
  if (!raw.ok()) return raw.status();
  OwnedFd fd(socket(raw->family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return SocketError("dial", address, "socket", errno);
  if (connect(fd.get(), raw->get(), raw->size_bytes) != 0 && errno != EINPROGRESS) {
    return SocketError("dial", address, "connect", errno);
  }
  return fd;
}

int ConnectError(int fd) {
  int error = 0;
  socklen_t size_bytes = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size_bytes) == 0 ? error : errno;
}

void KeepAlive(int fd) {
  const int on = 1, idle_seconds = 5, interval_seconds = 1, probes = 5;
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  // They fail for a unix socket, where they have no meaning.
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof interval_seconds);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

std::string ToText(const SocketAddress& address) {
  if (address.is_unix) return address.host;
  const bool is_ipv6 = address.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

std::string PeerText(int fd) {
  RawAddress peer;
  peer.size_bytes = sizeof peer.storage;
  if (getpeername(fd, peer.get(), &peer.size_bytes) != 0) return "";
  SocketAddress address;
  if (peer.family() == AF_UNIX) return "@";
  std::array<char, INET6_ADDRSTRLEN> host{};
  const auto* const ipv4 = reinterpret_cast<const sockaddr_in*>(&peer.storage);
  const in6_addr* const ipv6 = &reinterpret_cast<const sockaddr_in6*>(&peer.storage)->sin6_addr;
  if (peer.family() == AF_INET) {
    inet_ntop(AF_INET, &ipv4->sin_addr, host.data(), host.size());
  } else if (IN6_IS_ADDR_V4MAPPED(ipv6)) {
    inet_ntop(AF_INET, ipv6->s6_addr + 12, host.data(), host.size());
  } else {
    inet_ntop(AF_INET6, ipv6, host.data(), host.size());
  }
  address.host = host.data();
  address.port = PortOf(peer);
  return ToText(address);
}

}  // namespace regent::server
