// What an inspection has to say besides its output: told on the standard error at once, and remembered for the exit
// code.
#pragma once

#include <string>
#include <vector>

namespace regent::server {

class Findings {
 public:
  void Damage(const std::string& what);
  void Note(const std::string& what);

  const std::vector<std::string>& damage() const { return damage_; }

 private:
  std::vector<std::string> damage_;
};

}  // namespace regent::server
