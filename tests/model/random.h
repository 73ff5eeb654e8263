// Chance from a seed, the same on every machine (the standard distributions are not).
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace regent::model {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  uint64_t Next() { return engine_(); }
  uint64_t Below(uint64_t bound) { return bound == 0 ? 0 : engine_() % bound; }
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(Below(static_cast<uint64_t>(high - low + 1)));
  }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

  template <typename T>
  const T& Pick(const std::vector<T>& choices) {
    return choices[Below(choices.size())];
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace regent::model
