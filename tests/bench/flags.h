// The command line of a load program: `--name value` pairs, read by name. What nobody read is refused.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>

namespace regent::bench {

class Flags {
 public:
  Flags(int argc, char** argv) : program_(argv[0]) {
    for (int i = 1; i < argc; i += 2) {
      if (i + 1 >= argc) Refuse(std::string(argv[i]) + " has no value");
      given_[argv[i]] = argv[i + 1];
    }
  }

  std::string Text(const std::string& name, std::string otherwise) {
    known_ += " " + name;
    const auto found = given_.find(name);
    if (found == given_.end()) return otherwise;
    otherwise = std::move(found->second);
    given_.erase(found);
    return otherwise;
  }
  double Real(const std::string& name, double otherwise) {
    const std::string text = Text(name, "");
    return text.empty() ? otherwise : std::atof(text.c_str());
  }
  uint64_t Number(const std::string& name, uint64_t otherwise) {
    const std::string text = Text(name, "");
    return text.empty() ? otherwise : std::strtoull(text.c_str(), nullptr, 10);
  }

  // Call when all flags were read.
  void RefuseUnread() const {
    if (!given_.empty()) Refuse("what is " + given_.begin()->first + "?");
  }
  [[noreturn]] void Refuse(const std::string& why) const {
    std::fprintf(stderr, "%s: %s\nflags:%s\n", program_.c_str(), why.c_str(), known_.c_str());
    std::exit(2);
  }

 private:
  const std::string program_;
  std::map<std::string, std::string> given_;
  std::string known_;
};

}  // namespace regent::bench
