// Any bytes as a command of the log: what decodes must encode to bytes that mean the same, and decoding must not
// allocate out of proportion (a limit of the fuzzer's memory watches that).
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "storage/command.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto command = regent::storage::DecodeCommand(bytes);
  if (!command.ok()) return 0;
  // Varints may be longer than they need to be, so the bytes may differ; the second encoding must not.
  const std::string encoded = regent::storage::EncodeCommand(*command);
  const auto again = regent::storage::DecodeCommand(encoded);
  if (encoded.size() > size || !again.ok() || regent::storage::EncodeCommand(*again) != encoded) std::abort();
  return 0;
}
