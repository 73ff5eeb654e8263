// Reading back what the store wrote itself: a malformed row is a broken disk, and ends the process.
#pragma once

#include <cstdint>
#include <string_view>

#include "glog/logging.h"

namespace regent::storage {

class RowReader {
 public:
  explicit RowReader(std::string_view bytes) : rest_(bytes) {}

  uint8_t Byte() {
    CHECK(!rest_.empty()) << "a row of the store is too short";
    const uint8_t value = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return value;
  }
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = Byte();
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    LOG(FATAL) << "a row of the store has an endless number";
    return 0;
  }
  int64_t Int64() { return static_cast<int64_t>(Varint()); }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace regent::storage
