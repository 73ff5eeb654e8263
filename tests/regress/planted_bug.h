// The planted bug that this run of a regression test must be red for: the value of REGENT_MUTANT, "" for none. The
// table of the suite names it; nothing but tests reads it.
#pragma once

#include <cstdlib>
#include <string>

namespace regent::regress {

inline std::string PlantedBug() {
  const char* name = std::getenv("REGENT_MUTANT");
  return name == nullptr ? "" : name;
}

}  // namespace regent::regress
