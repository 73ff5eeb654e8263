// What `key` and `range_end` of a request mean together:
//
//   range_end   keys
//   ""          `key` alone
//   "\0"        every key from `key` on ("\0" as key too: every key)
//   else        [key, range_end); nothing when range_end <= key
//
// A prefix is [prefix, PrefixEnd(prefix)). Keys compare as unsigned bytes.
#pragma once

#include <string>
#include <string_view>

namespace regent::api {

inline constexpr std::string_view kFromKey{"\0", 1};  // the range_end that means "no end"

inline bool IsSingleKey(std::string_view range_end) { return range_end.empty(); }
inline bool IsFromKey(std::string_view range_end) { return range_end == kFromKey; }

inline bool RangeIsEmpty(std::string_view key, std::string_view range_end) {
  return !IsSingleKey(range_end) && !IsFromKey(range_end) && range_end <= key;
}

inline bool RangeContains(std::string_view key, std::string_view range_end, std::string_view candidate) {
  if (IsSingleKey(range_end)) return candidate == key;
  return candidate >= key && (IsFromKey(range_end) || candidate < range_end);
}

// The range_end of "all keys that begin with `prefix`": the prefix with its last byte that is not 0xff counted up, and
// what follows it cut off. kFromKey when there is no such byte.
inline std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty()) {
    if (static_cast<unsigned char>(end.back()) != 0xff) {
      end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
      return end;
    }
    end.pop_back();
  }
  return std::string(kFromKey);
}

}  // namespace regent::api
