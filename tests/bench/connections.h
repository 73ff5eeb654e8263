// A load program's connections to a server or to the members of a cluster in turn, and the wait for what happens on any
// of them.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/h2_client.h"

namespace regent::bench {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

inline nanoseconds Seconds(double seconds) { return nanoseconds(static_cast<int64_t>(seconds * 1e9)); }
inline double SecondsIn(nanoseconds time) { return std::chrono::duration<double>(time).count(); }

class Connections {
 public:
  // `endpoints`: host:port, or several with commas between them.
  Connections(const std::string& endpoints, size_t count);
  ~Connections();
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  size_t size() const { return connections_.size(); }
  H2Connection& at(size_t number) { return *connections_[number % connections_.size()]; }

  void Flush();  // writes what is queued on any of them

  // Waits until something arrives, reads it and runs the callbacks, in which now() is the time of arrival. Writes what
  // a full socket has refused before.
  void Wait(nanoseconds at_most);

  Clock::time_point now() const { return now_; }
  bool all_broken() const { return broken_ == connections_.size(); }

 private:
  void AddPending(size_t number);  // if it has something to write
  void FlushPending();

  std::vector<std::unique_ptr<H2Connection>> connections_;
  std::vector<size_t> pending_;  // those that want to write more, by number
  int epoll_ = -1;
  size_t broken_ = 0;
  Clock::time_point now_ = Clock::now();
};

}  // namespace regent::bench
