// Ids as etcd writes them in its log and its metrics: hexadecimal, without leading zeros.
#pragma once

#include <cstdint>
#include <string>

namespace regent::server {

inline std::string Hexadecimal(uint64_t id) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  do {
    text.insert(text.begin(), kDigits[id % 16]);
    id /= 16;
  } while (id != 0);
  return text;
}

}  // namespace regent::server
