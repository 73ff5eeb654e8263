// The fuzz target on requests and their mutants: bytes changed, dropped, doubled, spliced, all from a fixed seed.
#include <gtest/gtest.h>

#include <iterator>
#include <random>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr const char* kSeeds[] = {
    "GET /health?exclude=NOSPACE&serializable=true HTTP/1.1\r\nHost: localhost:2379\r\n\r\n",
    "GET /readyz?verbose&exclude=%6eon_learner HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.1\r\n",
    "POST /v3/kv/put HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    "OPTIONS * HTTP/1.1\r\nHost: [::1]:1\r\nOrigin: http://a\r\n\r\n",
    "\r\nHEAD http://a/metrics?x=%00 HTTP/1.1\r\nHost:a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "GET /livez/serializable_read HTTP/1.1\r\nHost: a\r\nContent-Length: 00064\r\n\r\n",
};

std::string Mutate(std::string text, std::mt19937_64& random) {
  static constexpr std::string_view kTokens[] = {"\r\n",
                                                 "\r",
                                                 "\n",
                                                 "\r\n\r\n",
                                                 ":",
                                                 " ",
                                                 "%",
                                                 "%4",
                                                 "HTTP/1.1",
                                                 "Host: b\r\n",
                                                 "Content-Length: 9\r\n",
                                                 std::string_view("\0", 1),
                                                 "\xff"};
  for (uint64_t rounds = random() % 4 + 1; rounds > 0; --rounds) {
    const size_t at = random() % (text.size() + 1);
    switch (random() % 4) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(random());
        break;
      case 1:
        text.erase(at, random() % 8);
        break;
      case 2:
        text.insert(at, kTokens[random() % std::size(kTokens)]);
        break;
      case 3:
        text += kSeeds[random() % std::size(kSeeds)];
        break;
    }
  }
  return text;
}

TEST(HttpRequestFuzz, TheSeedsAndTheirMutantsKeepThePromises) {
  std::mt19937_64 random(20240601);
  for (const char* const seed : kSeeds) {
    const std::string text(seed);
    for (size_t size = 0; size <= text.size(); ++size) {
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(text.data()), size);
    }
    for (int i = 0; i < 5'000; ++i) {
      const std::string mutant = Mutate(text, random);
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(mutant.data()), mutant.size());
    }
  }
}

}  // namespace
