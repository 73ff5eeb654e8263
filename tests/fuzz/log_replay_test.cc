// The fuzz target of the log on inputs drawn by a fixed seed, so that every build runs it.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace regent::testing {
namespace {

TEST(FuzzLog, RandomInputsOfEveryKindNeverCrashTheRecovery) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 6000; ++i) {
    std::vector<uint8_t> input(1 + random() % (i % 100 == 0 ? 20'000 : 300));
    for (uint8_t& byte : input) byte = static_cast<uint8_t>(random() % 3 == 0 ? random() : random() % 8);
    input[0] = static_cast<uint8_t>(i % 3);
    ASSERT_EQ(LLVMFuzzerTestOneInput(input.data(), input.size()), 0);
  }
}

}  // namespace
}  // namespace regent::testing
