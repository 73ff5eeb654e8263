// The fuzz target of URLs on mutants of right ones, drawn by a fixed seed.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/fuzz/mutate_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace regent::testing {
namespace {

constexpr std::string_view kSeeds[] = {"http://127.0.0.1:2379", "https://[::1]:2379,http://localhost:1",
                                       "unix:///run/regent.sock", "unixs://localhost:2379", "HTTP://Infra-1:65536"};
constexpr std::string_view kTokens[] = {",", "://", ":", "/", "[", "]", "@", "%41", "?", "#", "0", " ", "http", "\xff"};

TEST(FuzzUrl, MutantsOfUrlsAreTakenOrRefused) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 200'000; ++i) {
    const std::string input = Mutate(std::string(kSeeds[i % 5]), {.seeds = kSeeds, .tokens = kTokens}, random);
    ASSERT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size()), 0);
  }
}

}  // namespace
}  // namespace regent::testing
