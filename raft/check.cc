#include "raft/check.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

namespace regent::raft {

void Broken(const char* file, int line, const char* condition, const char* names,
            std::initializer_list<uint64_t> values) {
  std::fprintf(stderr, "%s:%d: raft invariant broken: %s; %s =", file, line, condition, names);
  for (uint64_t value : values) std::fprintf(stderr, " %" PRIu64, value);
  std::fprintf(stderr, "\n");
  std::abort();
}

}  // namespace regent::raft
