// Numbers of the contract that must not be mixed up.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace regent::api {

template <typename Tag>
struct Number {
  int64_t value = 0;
  auto operator<=>(const Number&) const = default;
};

using Revision = Number<struct RevisionTag>;  // a fresh store has revision 1, the first write makes 2
using LeaseId = Number<struct LeaseIdTag>;    // 0: no lease

// Time that only moves forward; the server never looks at the wall clock for a decision.
using MonotonicTime = std::chrono::steady_clock::time_point;

}  // namespace regent::api
