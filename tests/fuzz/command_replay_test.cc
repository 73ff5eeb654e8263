// The fuzz target of commands on inputs drawn by a fixed seed, so that every build runs it.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace regent::testing {
namespace {

TEST(FuzzCommand, RandomCommandsOfEveryKindDecodeOrFail) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 200'000; ++i) {
    std::vector<uint8_t> input = {1, 1, 1, 0, static_cast<uint8_t>(1 + i % 7)};
    for (size_t bytes = random() % 60; bytes > 0; --bytes) {
      input.push_back(static_cast<uint8_t>(random() % 4 == 0 ? random() : random() % 5));
    }
    ASSERT_EQ(LLVMFuzzerTestOneInput(input.data(), input.size()), 0);
  }
}

}  // namespace
}  // namespace regent::testing
