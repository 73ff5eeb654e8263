#include "tests/sim/canaries.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "glog/logging.h"

namespace regent::sim {
namespace {

// In a process of its own: a planted bug may end it, which counts as found.
bool Finds(std::string_view name, uint64_t seed, const std::function<std::string(const Mutants&, uint64_t seed)>& run) {
  std::fflush(nullptr);
  const pid_t child = fork();
  CHECK_GE(child, 0);
  if (child == 0) {
    Mutants mutants;
    CHECK(Plant(name, &mutants)) << name;
    const std::string broken = run(mutants, seed);
    if (!broken.empty()) {
      std::printf("%.*s: seed %llu: %s\n", static_cast<int>(name.size()), name.data(),
                  static_cast<unsigned long long>(seed), broken.c_str());
    }
    std::fflush(nullptr);
    _exit(broken.empty() ? 0 : 1);
  }
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  return status != 0;
}

}  // namespace

int RunCanaries(const std::vector<std::string_view>& names, uint64_t first, uint64_t seeds,
                const std::function<std::string(const Mutants&, uint64_t seed)>& run) {
  int found = 0, missed = 0;
  for (const std::string_view name : names) {
    bool caught = false;
    for (uint64_t seed = first; seed < first + seeds && !caught; ++seed) caught = Finds(name, seed, run);
    if (!caught) {
      std::printf("%.*s: NOT FOUND in %llu seeds\n", static_cast<int>(name.size()), name.data(),
                  static_cast<unsigned long long>(seeds));
    }
    ++(caught ? found : missed);
  }
  std::printf("sim canaries: %d passed, %d failed\n", found, missed);
  return missed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace regent::sim
