#include "server/runtime/accepting.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/statusor.h"
#include "glog/logging.h"

namespace regent::server {
namespace {

constexpr int kAcceptsPerTurn = 64;

}  // namespace

absl::Status Accepting::Open(SocketAddress& address) {
  absl::StatusOr<OwnedFd> socket = OpenListenSocket(address);
  if (!socket.ok()) return socket.status();
  sockets_.push_back(*std::move(socket));
  return absl::OkStatus();
}

void Accepting::Set(int epoll, bool on) {
  if (on == on_) return;
  on_ = on;
  for (size_t i = 0; i < sockets_.size(); ++i) {
    const int fd = sockets_[i].get();
    if (!on) {
      epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nullptr);
      continue;
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = first_event_ + i;
    PCHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0) << "epoll_ctl of " << fd;
  }
}

void Accepting::Accept(int epoll, size_t index, const std::function<void(OwnedFd)>& accepted) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    OwnedFd fd(accept4(sockets_[index].get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.get() >= 0) {
      accepted(std::move(fd));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      LOG_EVERY_N(WARNING, 60) << what_ << " pauses: " << std::strerror(errno);
      return Set(epoll, false);
    }
    // The connection was broken before it was accepted: go on with the next one.
  }
}

}  // namespace regent::server
