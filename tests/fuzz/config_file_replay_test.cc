// The fuzz target on configuration files and their mutants, all from a fixed seed.
#include <gtest/gtest.h>

#include <array>

#include "tests/fuzz/mutate_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace regent::testing {
namespace {

constexpr auto kSeeds = std::to_array<std::string_view>({
    "name: a\nlisten-client-urls: http://127.0.0.1:1\nadvertise-client-urls: http://a:1\npre-vote: yes\n",
    "{\"name\": \"a\", \"heartbeat-interval\": 100, \"log-outputs\": [\"stdout\", \"/x\"], \"max-txn-ops\": 1e2}",
    "client-transport-security:\n  cert-file: /x\n  client-cert-auth: true\n  allowed-hostname: [a, b]\n",
    "peer-transport-security: {allowed-cn: [a], skip-client-san-verification: no}\nsocket-options: {reuse-port: on}\n",
    "# comment\nfeature-gates: AllBeta=false\nwatch-progress-notify-interval: 5_000_000_000\nquota-backend-bytes: "
    "0x10\n",
    "x: &a [1, 2]\ny: *a\nname: |\n  many\n  lines\ncors: >-\n  folded\n---\nname: other\n",
    "initial-cluster-state: existing\ndiscovery-config: {endpoints: ['a,b'], token: \"\\x41\\n\"}\ncipher-suites: []\n",
});
constexpr auto kTokens = std::to_array<std::string_view>(
    {"\n", ": ",     "- ", "  ",    "[",     "]",      "{",  "}",   "&a ",  "*a", "|\n",  "'",    "\"",   "#",
     "? ", "!!str ", "~",  "---\n", "...\n", "%YAML ", "\t", "\\x", "1e99", "-1", ".inf", "name", "\xff", "<<"});

TEST(ConfigFileFuzz, TheSeedsAndTheirMutantsKeepThePromises) {
  std::mt19937_64 random(20240603);
  for (const std::string_view seed : kSeeds) {
    for (int i = 0; i < 3'000; ++i) {
      const std::string mutant = i == 0 ? std::string(seed) : Mutate(std::string(seed), {kSeeds, kTokens}, random);
      ASSERT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(mutant.data()), mutant.size()), 0);
    }
  }
}

}  // namespace
}  // namespace regent::testing
