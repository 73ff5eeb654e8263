// CRC-32C (Castagnoli), the checksum of everything the log writes: by the processor's instruction where there is one,
// else by tables. Crc32c("123456789") is 0xE3069283.
#pragma once

#include <cstdint>
#include <string_view>

namespace regent::storage {

// The checksum of `before` followed by `bytes`, given the checksum of `before`.
uint32_t ExtendCrc32c(uint32_t before, std::string_view bytes);

inline uint32_t Crc32c(std::string_view bytes) { return ExtendCrc32c(0, bytes); }

// The checksum of two pieces one after the other, given the checksum of each: the bytes are not needed again.
uint32_t ConcatCrc32c(uint32_t first, uint32_t second, uint64_t second_bytes);

// The table version, for processors without the instruction; ExtendCrc32c chooses.
uint32_t ExtendCrc32cByTable(uint32_t before, std::string_view bytes);

}  // namespace regent::storage
