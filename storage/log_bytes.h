// Numbers at fixed places of a buffer, little-endian, as every structure of the log stores them.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace regent::storage {

static_assert(std::endian::native == std::endian::little, "the log's numbers are copied as they lie in memory");

inline void PutU32(char* at, uint32_t value) { std::memcpy(at, &value, sizeof(value)); }
inline void PutU64(char* at, uint64_t value) { std::memcpy(at, &value, sizeof(value)); }

inline uint32_t GetU32(const char* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

inline uint64_t GetU64(const char* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

}  // namespace regent::storage
