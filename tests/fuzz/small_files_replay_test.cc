// The fuzz target of the small files on mutants of right contents, drawn by a fixed seed.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/fuzz/mutate_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace regent::testing {
namespace {

constexpr std::string_view kSeeds[] = {
    "regent data folder\nformat 1\ncluster 0000000000000011\nnode 0000000000000022\nname a\ncomplete 1\n",
    "store-0000000000000001\n",
    "RegntVot\x01 and the rest of a copy, which is 64 bytes long at the least: 0123456789",
};
constexpr std::string_view kTokens[] = {
    "\n", "format ", "cluster ", "complete 0\n", "store-", "checksum 0\n", "name ", "ffffffff", " ", "0"};

TEST(FuzzSmallFiles, MutantsOfEveryFileAreTakenOrRefused) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 20'000; ++i) {
    std::string input(1, static_cast<char>(i % 6));
    input += Mutate(std::string(kSeeds[i % 6 / 2]), {.seeds = kSeeds, .tokens = kTokens}, random);
    ASSERT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size()), 0);
  }
}

}  // namespace
}  // namespace regent::testing
