// The fuzz target on command lines and their mutants, all from a fixed seed.
#include <gtest/gtest.h>

#include <array>

#include "tests/fuzz/mutate_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace regent::testing {
namespace {

constexpr auto kSeeds = std::to_array<std::string_view>({
    "--name=a\n--listen-client-urls\nhttp://127.0.0.1:1,unix:///x\n--advertise-client-urls=http://a:1\n",
    "-pre-vote=false\n--feature-gates=AllAlpha=true,LeaseCheckpoint=f\nETCD_MAX_TXN_OPS=0x10\n",
    "ETCD_NAME=b\nETCD_CORS=http://a:1,http://b:2\nETCD_VERSION=3\nETCD_X=1\n--v\n",
    "--election-timeout=5000\n--heartbeat-interval=500\n--grpc-keepalive-min-time=1h2m3.5s\n",
    "--initial-cluster=a=http://a:1,b=http://[::1]:2,a=http://a:3\n--name=a\n--initial-advertise-peer-urls=http://"
    "a:1\n",
    "--log-outputs=/x,stdout\n--enable-log-rotation\n--log-rotation-config-json={\"maxsize\": 1, \"compress\": true}\n",
    "--v2-deprecation=gone,write-only\n--cert-file=/x\n--max-concurrent-streams=4294967295\n--\n",
});
constexpr auto kTokens = std::to_array<std::string_view>({"\n",
                                                          "=",
                                                          "--",
                                                          "-",
                                                          ",",
                                                          ":",
                                                          "//",
                                                          "http",
                                                          "unix:",
                                                          "[",
                                                          "]",
                                                          "\"",
                                                          "{",
                                                          "}",
                                                          "0x",
                                                          "_",
                                                          "1e9",
                                                          "-1",
                                                          "99999999999",
                                                          "true",
                                                          "ETCD_",
                                                          "--help\n",
                                                          "--config-file=x\n",
                                                          " ",
                                                          "%",
                                                          "\xff",
                                                          "9223372036854775808"});

TEST(FlagsFuzz, TheSeedsAndTheirMutantsKeepThePromises) {
  std::mt19937_64 random(20240602);
  for (const std::string_view seed : kSeeds) {
    for (int i = 0; i < 5'000; ++i) {
      const std::string mutant = i == 0 ? std::string(seed) : Mutate(std::string(seed), {kSeeds, kTokens}, random);
      ASSERT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(mutant.data()), mutant.size()), 0);
    }
  }
}

}  // namespace
}  // namespace regent::testing
