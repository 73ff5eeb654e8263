// corrupt_matrix log|metadata|store [--write] [--page FILE] [--folder DIR] [--stride N] [--patterns N] [--seed N]
//
// Damages every place of the named files in turn and judges what a start makes of it. --write puts the tables of
// outcomes into the page instead of comparing them with it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string_view>

#include "tests/corrupt/matrix.h"

namespace regent::testing {

char Flip(char byte, uint64_t offset, int pattern) {
  switch (pattern) {
    case 0:
      return static_cast<char>(byte ^ (1 << (offset % 8)));
    case 1:
      return static_cast<char>(~byte);
    case 2:
      return '\0';
    default:
      return '\xff';
  }
}

namespace {

int Main(int argc, char** argv) {
  const std::map<std::string_view, bool (*)(const MatrixOptions&)> matrices = {
      {"log", LogMatrix}, {"metadata", MetadataMatrix}, {"store", StoreMatrix}};
  MatrixOptions options;
  const char* const name = argc > 1 ? argv[1] : "";
  bool understood = matrices.contains(name);
  for (int i = 2; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const char* const value = i + 1 < argc ? argv[i + 1] : "";
    if (flag == "--write") {
      options.page_use = OutcomeTable::Page::kWrite;
      continue;
    }
    ++i;
    if (flag == "--page") {
      options.page = value;
    } else if (flag == "--folder") {
      options.folder = value;
    } else if (flag == "--stride") {
      options.stride = std::strtoull(value, nullptr, 10);
    } else if (flag == "--patterns") {
      options.patterns = std::clamp(std::atoi(value), 1, kFlipPatterns);
    } else if (flag == "--seed") {
      options.seed = std::strtoull(value, nullptr, 10);
    } else {
      understood = false;
    }
  }
  if (!understood || options.stride == 0) {
    std::fprintf(stderr,
                 "usage: corrupt_matrix log|metadata|store [--write] [--page FILE] [--folder DIR] [--stride N] "
                 "[--patterns N] [--seed N]\n");
    return 2;
  }
  const bool coarse = options.stride > 1 || options.patterns < kFlipPatterns;
  if (coarse && options.page_use == OutcomeTable::Page::kCompare) options.page_use = OutcomeTable::Page::kPartOf;
  return matrices.at(name)(options) ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace regent::testing

int main(int argc, char** argv) { return regent::testing::Main(argc, argv); }
