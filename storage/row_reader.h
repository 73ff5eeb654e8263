// Reading back what the store wrote itself. After the first bad byte `malformed` stays set and every answer is a zero;
// whoever serves the store ends the process then, because the disk is broken.
#pragma once

#include <cstdint>
#include <string_view>

namespace regent::storage {

class RowReader {
 public:
  explicit RowReader(std::string_view bytes) : rest_(bytes) {}

  bool malformed() const { return malformed_; }

  uint8_t Byte() {
    if (rest_.empty()) return Fail();
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
    return Fail();
  }
  int64_t Int64() { return static_cast<int64_t>(Varint()); }
  std::string_view rest() const { return rest_; }

 private:
  uint8_t Fail() {
    malformed_ = true;
    rest_ = {};
    return 0;
  }

  std::string_view rest_;
  bool malformed_ = false;
};

}  // namespace regent::storage
