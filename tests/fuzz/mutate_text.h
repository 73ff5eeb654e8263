// Mutants of texts for replays of fuzz targets: bytes changed, dropped, inserted from a list, texts spliced.
#pragma once

#include <random>
#include <span>
#include <string>
#include <string_view>

namespace regent::testing {

struct Texts {
  std::span<const std::string_view> seeds;
  std::span<const std::string_view> tokens;
};

inline std::string Mutate(std::string text, const Texts& texts, std::mt19937_64& random) {
  for (uint64_t rounds = random() % 5 + 1; rounds > 0; --rounds) {
    const size_t at = random() % (text.size() + 1);
    switch (random() % 4) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(random());
        break;
      case 1:
        text.erase(at, random() % 8);
        break;
      case 2:
        text.insert(at, texts.tokens[random() % texts.tokens.size()]);
        break;
      case 3:
        text += texts.seeds[random() % texts.seeds.size()];
        break;
    }
  }
  return text;
}

}  // namespace regent::testing
