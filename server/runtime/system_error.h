// An error of the operating system in the words of etcd's tools, which begin with a small letter: "address already in
// use".
#pragma once

#include <cctype>
#include <cstring>
#include <string>

namespace regent::server {

inline std::string SystemError(int number) {
  std::string text = std::strerror(number);
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

}  // namespace regent::server
