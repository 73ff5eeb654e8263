#include "server/rpc/json_scan.h"

#include <cctype>
#include <cstddef>
#include <string>

namespace regent::server {
namespace {

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  size_t at() const { return at_; }
  bool AtEnd() const { return at_ == text_.size(); }
  void SkipBlanks() {
    while (!AtEnd() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }

  bool Value(int depth) {
    if (AtEnd() || depth > kJsonDepthMax) return false;
    switch (text_[at_]) {
      case '{':
        return List('}', [&] { return Member(depth); });
      case '[':
        return List(']', [&] { return Value(depth + 1); });
      case '"':
        return String();
      case 't':
        return Word("true");
      case 'f':
        return Word("false");
      case 'n':
        return Word("null");
      default:
        return Number();
    }
  }

 private:
  template <typename Element>
  bool List(char close, Element element) {
    ++at_;
    SkipBlanks();
    if (Take(close)) return true;
    while (true) {
      if (!element()) return false;
      SkipBlanks();
      if (Take(close)) return true;
      if (!Take(',')) return false;
      SkipBlanks();
    }
  }

  bool Member(int depth) {
    if (!String()) return false;
    SkipBlanks();
    if (!Take(':')) return false;
    SkipBlanks();
    return Value(depth + 1);
  }

  bool String() {
    if (!Take('"')) return false;
    while (!AtEnd()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c == '\\' && !Escape()) return false;
    }
    return false;
  }

  bool Escape() {
    if (AtEnd()) return false;
    const char c = text_[at_++];
    if (c != 'u') return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
    for (int i = 0; i < 4; ++i, ++at_) {
      if (AtEnd() || std::isxdigit(static_cast<unsigned char>(text_[at_])) == 0) return false;
    }
    return true;
  }

  bool Number() {
    Take('-');
    if (!Take('0') && !Digits()) return false;
    if (Take('.') && !Digits()) return false;
    if (!Take('e') && !Take('E')) return true;
    if (!Take('+')) Take('-');
    return Digits();
  }

  bool Digits() {
    const size_t begin = at_;
    while (!AtEnd() && std::isdigit(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
    return at_ > begin;
  }

  bool Word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  bool Take(char c) {
    if (AtEnd() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

absl::StatusOr<std::string_view> FirstJsonValue(std::string_view text) {
  Scanner scanner(text);
  scanner.SkipBlanks();
  const size_t begin = scanner.at();
  if (scanner.AtEnd()) return std::string_view();
  if (!scanner.Value(0)) {
    return absl::InvalidArgumentError(scanner.AtEnd() ? "unexpected end of JSON input"
                                                      : "invalid JSON at byte " + std::to_string(scanner.at()));
  }
  return text.substr(begin, scanner.at() - begin);
}

}  // namespace regent::server
