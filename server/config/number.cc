#include "server/config/number.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

namespace regent::server {
namespace {

struct Prefix {
  std::string_view text;
  int base;
};
constexpr std::array<Prefix, 7> kPrefixes = {
    {{"0x", 16}, {"0X", 16}, {"0b", 2}, {"0B", 2}, {"0o", 8}, {"0O", 8}, {"0", 8}}};

// Underscores may stand between digits, and between a prefix and its digits, of a number with a prefix or of a plain
// one.
bool RemoveUnderscores(std::string_view text, bool after_prefix, std::string& digits) {
  bool digit_before = after_prefix;
  for (const char c : text) {
    if (c == '_' && !digit_before) return false;
    digit_before = c != '_';
    if (c != '_') digits += c;
  }
  return digit_before || text.empty();
}

}  // namespace

UnsignedNumber ReadUnsigned(std::string_view text) {
  int base = 10;
  const bool zero_alone = text == "0";
  for (const Prefix& prefix : kPrefixes) {
    if (zero_alone || text.substr(0, prefix.text.size()) != prefix.text) continue;
    base = prefix.base;
    text.remove_prefix(prefix.text.size());
    break;
  }
  std::string digits;
  if (!RemoveUnderscores(text, base != 10, digits)) return {.error = NumberError::kSyntax};
  uint64_t value = 0;
  const char* const last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, value, base);
  if (error == std::errc::invalid_argument || end != last) return {.error = NumberError::kSyntax};
  if (error != std::errc()) return {.error = NumberError::kRange};
  return {.value = value};
}

SignedNumber ReadSigned(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  const UnsignedNumber magnitude = ReadUnsigned(text);
  if (magnitude.error) return {.error = magnitude.error};
  const uint64_t most = uint64_t{INT64_MAX} + (negative ? 1 : 0);
  if (magnitude.value > most) return {.error = NumberError::kRange};
  return {.value = static_cast<int64_t>(negative ? 0 - magnitude.value : magnitude.value)};
}

std::optional<bool> ReadBool(std::string_view text) {
  constexpr auto kTrue = std::to_array<std::string_view>({"1", "t", "T", "true", "TRUE", "True"});
  constexpr auto kFalse = std::to_array<std::string_view>({"0", "f", "F", "false", "FALSE", "False"});
  if (std::find(kTrue.begin(), kTrue.end(), text) != kTrue.end()) return true;
  if (std::find(kFalse.begin(), kFalse.end(), text) != kFalse.end()) return false;
  return std::nullopt;
}

}  // namespace regent::server
