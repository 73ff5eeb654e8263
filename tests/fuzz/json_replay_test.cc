// The fuzz target of JSON requests on mutants of right ones, drawn by a fixed seed.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/fuzz/mutate_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace regent::testing {
namespace {

constexpr std::string_view kSeeds[] = {
    R"({"key":"YQ==","value":"Yg==","lease":"7","prevKv":true})",
    R"({"key":"YQ==","range_end":"AA==","limit":"10","sort_order":"DESCEND","sortTarget":2,"keys_only":true})",
    R"({"key":"YQ==","prev_kv":true})",
    R"({"compare":[{"key":"YQ==","target":"VALUE","value":"Yg=="}],"success":[{"requestPut":{"key":"YQ=="}}],)"
    R"("failure":[{"requestTxn":{"success":[{"request_range":{"key":"YQ=="}}]}}]})",
    R"({"revision":"9223372036854775807","physical":false})",
    R"({"TTL":"60","ID":-1})",
};
constexpr std::string_view kTokens[] = {
    "{",    "}",    "[",  "]",  ",",        ":",   "\"",       "null", "true",     "-1",
    "1e99", "\\u0", "\\", "==", "\"\xff\"", "0.5", "[[[[[[[[", " ",    "\"key\":", "9223372036854775808"};

TEST(FuzzJson, MutantsOfRequestsAreAnsweredOnce) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 30'000; ++i) {
    std::string input(1, static_cast<char>(i % 6));
    input += Mutate(std::string(kSeeds[i % 6]), {.seeds = kSeeds, .tokens = kTokens}, random);
    ASSERT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size()), 0);
  }
}

}  // namespace
}  // namespace regent::testing
