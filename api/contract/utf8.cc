#include "api/contract/utf8.h"

#include <cstddef>

namespace regent::api {
namespace {

// The length of the character that begins with `lead`, and the bounds of its second byte; 0 for no lead byte.
struct Form {
  size_t size = 0;
  unsigned char second_min = 0x80;
  unsigned char second_max = 0xbf;
};

constexpr Form FormOf(unsigned char lead) {
  if (lead < 0x80) return {1};
  if (lead < 0xc2) return {0};
  if (lead < 0xe0) return {2};
  if (lead == 0xe0) return {3, 0xa0, 0xbf};
  if (lead == 0xed) return {3, 0x80, 0x9f};
  if (lead < 0xf0) return {3};
  if (lead == 0xf0) return {4, 0x90, 0xbf};
  if (lead < 0xf4) return {4};
  if (lead == 0xf4) return {4, 0x80, 0x8f};
  return {0};
}

}  // namespace

bool IsUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const Form form = FormOf(static_cast<unsigned char>(text[at]));
    if (form.size == 0 || form.size > text.size() - at) return false;
    for (size_t i = 1; i < form.size; ++i) {
      const auto byte = static_cast<unsigned char>(text[at + i]);
      const bool fits = i == 1 ? byte >= form.second_min && byte <= form.second_max : (byte & 0xc0) == 0x80;
      if (!fits) return false;
    }
    at += form.size;
  }
  return true;
}

}  // namespace regent::api
