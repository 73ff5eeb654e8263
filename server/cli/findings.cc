#include "server/cli/findings.h"

#include <iostream>

namespace regent::server {

void Findings::Damage(const std::string& what) {
  std::cerr << "damage: " << what << "\n";
  damage_.push_back(what);
}

void Findings::Note(const std::string& what) { std::cerr << "note: " << what << "\n"; }

}  // namespace regent::server
