#include "server/config/duration.h"

#include <array>
#include <cmath>
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
constexpr double kNanosecondsMax = 9.2e18;

absl::Status Bad(std::string_view text) {
  return absl::InvalidArgumentError("\"" + std::string(text) + "\" is not a duration such as 300ms, 5s or 1h30m");
}

// Reads digits with an optional fraction from the front of `rest`.
bool TakeNumber(std::string_view& rest, double& number) {
  size_t length = 0;
  bool digits = false;
  while (length < rest.size() && (rest[length] == '.' || (rest[length] >= '0' && rest[length] <= '9'))) {
    digits |= rest[length] != '.';
    ++length;
  }
  if (!digits || length > 18) return false;
  const std::string text(rest.substr(0, length));
  if (text.find('.') != text.rfind('.')) return false;
  number = std::stod(text);
  rest.remove_prefix(length);
  return true;
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
  double total = 0;
  while (!rest.empty()) {
    double number = 0;
    int64_t unit = 0;
    if (!TakeNumber(rest, number) || !TakeUnit(rest, unit)) return Bad(text);
    total += number * static_cast<double>(unit);
    if (total > kNanosecondsMax) return Bad(text);
  }
  const auto nanoseconds = static_cast<int64_t>(std::llround(total));
  return std::chrono::nanoseconds(negative ? -nanoseconds : nanoseconds);
}

std::string FormatDuration(std::chrono::nanoseconds duration) {
  const int64_t total = duration.count();
  if (total % 1'000'000'000 != 0) {
    if (total % 1'000'000 == 0) return std::to_string(total / 1'000'000) + "ms";
    return std::to_string(total) + "ns";
  }
  const int64_t seconds = total / 1'000'000'000;
  if (seconds < 60) return std::to_string(seconds) + "s";
  std::string text;
  if (seconds >= 3600) text = std::to_string(seconds / 3600) + "h";
  return text + std::to_string(seconds / 60 % 60) + "m" + std::to_string(seconds % 60) + "s";
}

}  // namespace regent::server
