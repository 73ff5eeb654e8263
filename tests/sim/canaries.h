// Planted bugs, each of which some seed must find.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/mutants.h"

namespace regent::sim {

// Runs each bug with up to `seeds` seeds from `first` on, until one is broken. The exit code; the last
// line is "sim canaries: N passed, N failed". `run`: what is broken with this bug and seed; a crash counts as found.
int RunCanaries(const std::vector<std::string_view>& names, uint64_t first, uint64_t seeds,
                const std::function<std::string(const Mutants&, uint64_t seed)>& run);

}  // namespace regent::sim
