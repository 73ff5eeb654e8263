#include "server/config/duration.h"

#include <array>
#include <cstdint>
#include <utility>

namespace regent::server {
namespace {

// Longest names first, so that "ms" is not read as "m".
constexpr std::array<std::pair<std::string_view, int64_t>, 8> kUnits = {{{"ns", 1},
                                                                         {"us", 1'000},
                                                                         {"\u00b5s", 1'000},
                                                                         {"\u03bcs", 1'000},
                                                                         {"ms", 1'000'000},
                                                                         {"s", 1'000'000'000},
                                                                         {"m", 60'000'000'000},
                                                                         {"h", 3'600'000'000'000}}};
constexpr uint64_t kNanosecondsMax = INT64_MAX;

absl::Status Bad(std::string_view text) {
  return absl::InvalidArgumentError("\"" + std::string(text) + "\" is not a duration such as 300ms, 5s or 1h30m");
}

// Digits with an optional fraction: whole + fraction / scale.
struct Number {
  uint64_t whole = 0;
  double fraction = 0;
  double scale = 1;
};

// Reads a number from the front of `rest`.
bool TakeNumber(std::string_view& rest, Number& number) {
  size_t digits = 0;
  bool in_fraction = false;
  for (; !rest.empty(); rest.remove_prefix(1)) {
    const char c = rest.front();
    if (c == '.' && !in_fraction) {
      in_fraction = true;
      continue;
    }
    if (c < '0' || c > '9') break;
    ++digits;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (in_fraction && number.scale < 1e15) {  // further digits are less than a nanosecond of an hour
      number.fraction = number.fraction * 10 + static_cast<double>(digit);
      number.scale *= 10;
    } else if (!in_fraction) {
      if (number.whole > (kNanosecondsMax - digit) / 10) return false;
      number.whole = number.whole * 10 + digit;
    }
  }
  return digits > 0;
}

bool TakeUnit(std::string_view& rest, int64_t& unit) {
  for (const auto& [name, nanoseconds] : kUnits) {
    if (rest.substr(0, name.size()) != name) continue;
    unit = nanoseconds;
    rest.remove_prefix(name.size());
    return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::chrono::nanoseconds> ParseDuration(std::string_view text) {
  std::string_view rest = text;
  const bool negative = !rest.empty() && rest.front() == '-';
  if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) rest.remove_prefix(1);
  if (rest == "0") return std::chrono::nanoseconds(0);
  if (rest.empty()) return Bad(text);
  uint64_t total = 0;
  while (!rest.empty()) {
    Number number;
    int64_t unit = 0;
    if (!TakeNumber(rest, number) || !TakeUnit(rest, unit)) return Bad(text);
    const auto whole_unit = static_cast<uint64_t>(unit);
    if (number.whole > kNanosecondsMax / whole_unit) return Bad(text);
    const uint64_t part =
        number.whole * whole_unit + static_cast<uint64_t>(number.fraction * (static_cast<double>(unit) / number.scale));
    if (part > kNanosecondsMax - total) return Bad(text);
    total += part;
  }
  const auto nanoseconds = static_cast<int64_t>(total);
  return std::chrono::nanoseconds(negative ? -nanoseconds : nanoseconds);
}

}  // namespace regent::server
