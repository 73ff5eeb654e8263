// A message between members as a line for people: "m1 -> m3  append, term 4, behind 17/3, 2 entries, commit 17".
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

#include "raft/message.h"
#include "tests/sim/scheduler.h"

namespace regent::sim {

std::string Describe(const raft::Message& message);

// The last so many lines of what happened, with their virtual time.
class MessageTrace {
 public:
  explicit MessageTrace(size_t lines_max) : lines_max_(lines_max) {}

  bool kept() const { return lines_max_ > 0; }
  void Note(Duration at, std::string_view what);
  const std::deque<std::string>& lines() const { return lines_; }

 private:
  const size_t lines_max_;
  std::deque<std::string> lines_;
};

}  // namespace regent::sim
