#include "storage/rocks_manifest.h"

#include <algorithm>
#include <cstdint>

#include "storage/crc32c.h"

namespace regent::storage {
namespace {

constexpr size_t kBlockBytes = 32 << 10;
constexpr size_t kHeaderBytes = 7;

enum Fragment : uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

uint32_t ByteAt(std::string_view bytes, size_t at) { return static_cast<unsigned char>(bytes[at]); }

uint32_t Mask(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8U; }

}  // namespace

size_t ReadableManifestBytes(std::string_view manifest) {
  size_t readable = 0;
  bool inside = false;  // a record, behind its first fragment
  for (size_t at = 0; at < manifest.size();) {
    const size_t left = std::min(kBlockBytes - at % kBlockBytes, manifest.size() - at);
    if (left < kHeaderBytes) {
      at += left;
      continue;
    }
    const std::string_view rest = manifest.substr(at, left);
    const size_t length = ByteAt(rest, 4) | ByteAt(rest, 5) << 8;
    const uint32_t type = ByteAt(rest, 6);
    if (kHeaderBytes + length > left || type < kFull || type > kLast) break;
    if (inside != (type == kMiddle || type == kLast)) break;
    const uint32_t crc = ByteAt(rest, 0) | ByteAt(rest, 1) << 8 | ByteAt(rest, 2) << 16 | ByteAt(rest, 3) << 24;
    if (crc != Mask(Crc32c(rest.substr(kHeaderBytes - 1, 1 + length)))) break;
    at += kHeaderBytes + length;
    inside = type == kFirst || type == kMiddle;
    if (!inside) readable = at;
  }
  return readable;
}

}  // namespace regent::storage
