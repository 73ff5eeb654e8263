#include "api/contract/duration_text.h"

#include <cstdint>

namespace regent::api {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

// value / scale without zeros at the end; `scale` is a power of ten.
std::string Decimal(uint64_t value, uint64_t scale) {
  std::string text = std::to_string(value / scale);
  uint64_t rest = value % scale;
  if (rest == 0) return text;
  text += '.';
  for (; rest != 0; rest %= scale) {
    scale /= 10;
    text += static_cast<char>('0' + rest / scale);
  }
  return text;
}

std::string PositiveText(uint64_t nanoseconds) {
  if (nanoseconds == 0) return "0s";
  if (nanoseconds < 1'000) return Decimal(nanoseconds, 1) + "ns";
  if (nanoseconds < 1'000'000) return Decimal(nanoseconds, 1'000) + "µs";
  if (nanoseconds < kSecond) return Decimal(nanoseconds, 1'000'000) + "ms";
  const uint64_t minutes = nanoseconds / (60 * kSecond);
  std::string text;
  if (minutes >= 60) text = std::to_string(minutes / 60) + "h";
  if (minutes > 0) text += std::to_string(minutes % 60) + "m";
  return text + Decimal(nanoseconds % (60 * kSecond), kSecond) + "s";
}

}  // namespace

std::string DurationText(std::chrono::nanoseconds duration) {
  const int64_t count = duration.count();
  if (count >= 0) return PositiveText(static_cast<uint64_t>(count));
  return "-" + PositiveText(0 - static_cast<uint64_t>(count));
}

}  // namespace regent::api
