// The listening sockets of one epoll loop. Owner: its thread, once it runs.
//
// When descriptors run out, accepting pauses until it is set again: a socket that stays readable would keep the loop
// busy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/runtime/socket.h"

namespace regent::server {

class Accepting {
 public:
  // The events of the sockets carry `first_event` and their index added. `what` is named in the log: "accepting".
  Accepting(uint64_t first_event, std::string what) : first_event_(first_event), what_(std::move(what)) {}

  // As OpenListenSocket; the sockets' indices are in the order of these calls.
  [[nodiscard]] absl::Status Open(SocketAddress& address);
  void Close() { sockets_.clear(); }
  size_t size() const { return sockets_.size(); }

  void Set(int epoll, bool on);
  bool on() const { return on_; }

  bool IsEvent(uint64_t event) const { return event >= first_event_ && event < end(); }
  uint64_t end() const { return first_event_ + sockets_.size(); }  // the first event that is none of theirs
  size_t IndexOf(uint64_t event) const { return event - first_event_; }

  // Some of those who wait at a socket: the loop has other work, too. Each is non-blocking.
  void Accept(int epoll, size_t index, const std::function<void(OwnedFd)>& accepted);

 private:
  const uint64_t first_event_;
  const std::string what_;
  std::vector<OwnedFd> sockets_;
  bool on_ = false;
};

}  // namespace regent::server
