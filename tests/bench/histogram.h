// A histogram of latencies with a relative error below 1 %: 128 steps for each power of two, from 1 ns to 2^40 ns.
#pragma once

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <vector>

namespace regent::bench {

class Histogram {
 public:
  using Duration = std::chrono::nanoseconds;

  void Record(Duration latency, uint64_t times = 1) {
    const uint64_t value = static_cast<uint64_t>(std::max<int64_t>(latency.count(), 0));
    counts_[std::min(IndexOf(value), counts_.size() - 1)] += times;
    total_ += times;
    sum_ += static_cast<double>(value) * static_cast<double>(times);
    max_ = std::max(max_, value);
  }

  uint64_t total() const { return total_; }
  Duration max() const { return Duration(max_); }
  double mean_nanoseconds() const { return total_ == 0 ? 0 : sum_ / static_cast<double>(total_); }

  // The smallest recorded step that at least `fraction` of all values do not exceed.
  Duration Percentile(double fraction) const {
    const double wanted = fraction * static_cast<double>(total_);
    double seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      seen += static_cast<double>(counts_[i]);
      if (counts_[i] > 0 && seen >= wanted) return Duration(std::min(UpperBound(i), max_));
    }
    return Duration(max_);
  }

 private:
  static constexpr int kStepBits = 7;
  static constexpr int kPowers = 40;

  // Values below 2 * 128 have a step of their own; above, the highest eight bits name the step.
  static size_t IndexOf(uint64_t value) {
    const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - (kStepBits + 1));
    return (static_cast<size_t>(shift) << kStepBits) + static_cast<size_t>(value >> shift);
  }
  static uint64_t UpperBound(size_t index) {
    if (index < (2u << kStepBits)) return index;
    const uint64_t shift = (index >> kStepBits) - 1;
    const uint64_t step = (index & ((1u << kStepBits) - 1)) + (1u << kStepBits);
    return ((step + 1) << shift) - 1;
  }

  std::vector<uint64_t> counts_ = std::vector<uint64_t>(static_cast<size_t>(kPowers) << kStepBits);
  uint64_t total_ = 0;
  uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace regent::bench
