#include "tests/bench/connections.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_split.h"

namespace regent::bench {

Connections::Connections(const std::string& endpoints, size_t count) : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  const std::vector<std::string> all = absl::StrSplit(endpoints, ',');
  for (size_t i = 0; i < count; ++i) {
    connections_.push_back(std::make_unique<H2Connection>(all[i % all.size()]));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_.back()->fd(), &event);
  }
}

Connections::~Connections() { close(epoll_); }

void Connections::Flush() {
  pending_.clear();
  for (size_t i = 0; i < connections_.size(); ++i) {
    connections_[i]->Flush();
    AddPending(i);
  }
}

void Connections::AddPending(size_t number) {
  if (!connections_[number]->wants_write()) return;
  if (std::find(pending_.begin(), pending_.end(), number) == pending_.end()) pending_.push_back(number);
}

void Connections::FlushPending() {
  for (const size_t i : pending_) connections_[i]->Flush();
  pending_.erase(
      std::remove_if(pending_.begin(), pending_.end(), [this](size_t i) { return !connections_[i]->wants_write(); }),
      pending_.end());
}

void Connections::Wait(nanoseconds at_most) {
  // A refused write is tried again soon; nobody waits for the socket to be writable, since answers come all the time.
  if (!pending_.empty()) at_most = std::min<nanoseconds>(at_most, std::chrono::milliseconds(1));
  epoll_event events[256];
  const timespec timeout{at_most.count() / 1'000'000'000, at_most.count() % 1'000'000'000};
  const int count = epoll_pwait2(epoll_, events, std::size(events), &timeout, nullptr);
  now_ = Clock::now();
  for (int i = 0; i < count; ++i) {
    H2Connection& connection = *connections_[events[i].data.u64];
    connection.ReadSome();
    if (connection.broken()) {
      epoll_ctl(epoll_, EPOLL_CTL_DEL, connection.fd(), nullptr);
      ++broken_;
    } else {
      connection.Flush();  // window updates and answers to pings, which nothing else might send
      AddPending(events[i].data.u64);
    }
  }
  FlushPending();
}

}  // namespace regent::bench
