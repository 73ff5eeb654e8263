// Numbers and truth values as etcd's flags write them, which is as Go writes them: 16, 0x10, 0b1_0000, 0o20, 020; 1, t,
// true, TRUE.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace regent::server {

enum class NumberError { kSyntax, kRange };

struct UnsignedNumber {
  uint64_t value = 0;
  std::optional<NumberError> error;
};
UnsignedNumber ReadUnsigned(std::string_view text);

struct SignedNumber {
  int64_t value = 0;
  std::optional<NumberError> error;
};
SignedNumber ReadSigned(std::string_view text);

std::optional<bool> ReadBool(std::string_view text);

}  // namespace regent::server
