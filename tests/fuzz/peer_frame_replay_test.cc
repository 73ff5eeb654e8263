// The fuzz target of a peer's stream on inputs drawn by a fixed seed, so that every build runs it.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

#include "server/peer/message_codec.h"
#include "tests/peer/random_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace regent::testing {
namespace {

TEST(FuzzPeerFrame, MessagesWithChangedBytesDecodeOrFail) {
  RandomMessages messages(1);
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string input{static_cast<char>(random() | 1), '\x04'};
    server::AppendMessage(input, messages.Next({1}, {2}));
    input.resize(std::min<size_t>(input.size(), 3000));
    for (uint64_t changes = random() % 4; changes > 0; --changes) {
      input[1 + random() % (input.size() - 1)] = static_cast<char>(random());
    }
    ASSERT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size()), 0);
  }
}

TEST(FuzzPeerFrame, AnyBytesAsAStreamDecodeOrFail) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 20'000; ++i) {
    std::string input(2 + random() % 80, '\0');
    for (char& byte : input) byte = static_cast<char>(random() % 3 == 0 ? random() : random() % 6);
    ASSERT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size()), 0);
  }
}

}  // namespace
}  // namespace regent::testing
