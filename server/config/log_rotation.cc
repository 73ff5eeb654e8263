#include "server/config/log_rotation.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <string>

#include "api/contract/status_macros.h"

namespace regent::server {
namespace {

absl::Status BadSyntax(const std::string& why) {
  return absl::InvalidArgumentError("improperly formatted log rotation config: " + why);
}

// Reads the parts of a flat JSON object from the front.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  // The next character that is no space; 0 at the end.
  char Peek() {
    while (!rest_.empty() && std::string_view(" \t\r\n").find(rest_[0]) != std::string_view::npos)
      rest_.remove_prefix(1);
    return rest_.empty() ? '\0' : rest_[0];
  }

  bool Take(char c) {
    if (Peek() != c || rest_.empty()) return false;
    rest_.remove_prefix(1);
    return true;
  }

  absl::Status Unexpected(const std::string& where) {
    if (Peek() == '\0' && rest_.empty()) return BadSyntax("unexpected end of JSON input");
    return BadSyntax("invalid character '" + std::string(1, rest_[0]) + "' " + where);
  }

  // A string without its quotes. Escaped characters stay as they are: no name that counts has any.
  absl::StatusOr<std::string> String(const std::string& where) {
    if (!Take('"')) return Unexpected(where);
    std::string text;
    while (!rest_.empty() && rest_[0] != '"') {
      const size_t length = rest_[0] == '\\' && rest_.size() > 1 ? 2 : 1;
      text += rest_.substr(0, length);
      rest_.remove_prefix(length);
    }
    if (!Take('"')) return BadSyntax("unexpected end of JSON input");
    return text;
  }

  // A number, true, false or null.
  absl::StatusOr<std::string> Word() {
    Peek();
    size_t length = 0;
    while (length < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[length])) != 0 ||
                                     std::string_view("+-.").find(rest_[length]) != std::string_view::npos)) {
      ++length;
    }
    const std::string word(rest_.substr(0, length));
    const bool is_number = !word.empty() && (std::isdigit(static_cast<unsigned char>(word[0])) != 0 || word[0] == '-');
    if (!is_number && word != "true" && word != "false" && word != "null") {
      return Unexpected("looking for beginning of value");
    }
    rest_.remove_prefix(length);
    return word;
  }

 private:
  std::string_view rest_;
};

absl::Status BadType(const std::string& what, const std::string& name, const std::string& type) {
  return absl::InvalidArgumentError("invalid log rotation config: json: cannot unmarshal " + what +
                                    " into Go struct field logRotationConfig.Logger." + name + " of type " + type);
}

std::string TypeOf(const std::string& word) {
  return word == "true" || word == "false" ? "bool" : "number" + (word.empty() ? "" : " " + word);
}

absl::Status SetNumber(const std::string& name, const std::string& word, bool is_string, int64_t& target) {
  if (word == "null" && !is_string) return absl::OkStatus();
  int64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (is_string || error != std::errc() || end != word.data() + word.size()) {
    return BadType(is_string ? "string" : TypeOf(word), name, "int");
  }
  target = value;
  return absl::OkStatus();
}

absl::Status SetSwitch(const std::string& name, const std::string& word, bool is_string, bool& target) {
  if (word == "null" && !is_string) return absl::OkStatus();
  if (is_string || (word != "true" && word != "false")) return BadType(is_string ? "string" : "number", name, "bool");
  target = word == "true";
  return absl::OkStatus();
}

absl::Status SetMember(const std::string& name, const std::string& word, bool is_string, LogRotation& rotation) {
  if (name == "maxsize") return SetNumber(name, word, is_string, rotation.megabytes_max);
  if (name == "maxage") return SetNumber(name, word, is_string, rotation.days_max);
  if (name == "maxbackups") return SetNumber(name, word, is_string, rotation.files_max);
  if (name == "localtime") return SetSwitch(name, word, is_string, rotation.local_time);
  if (name == "compress") return SetSwitch(name, word, is_string, rotation.compress);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LogRotation> ParseLogRotation(std::string_view json) {
  LogRotation rotation;
  Reader reader(json);
  if (!reader.Take('{')) return reader.Unexpected("looking for beginning of value");
  bool first = true;
  while (!reader.Take('}')) {
    if (!first && !reader.Take(',')) return reader.Unexpected("after object key:value pair");
    REGENT_ASSIGN_OR_RETURN(const std::string name, reader.String("looking for beginning of object key string"));
    if (!reader.Take(':')) return reader.Unexpected("after object key");
    const bool is_string = reader.Peek() == '"';
    REGENT_ASSIGN_OR_RETURN(const std::string word, is_string ? reader.String("") : reader.Word());
    REGENT_RETURN_IF_ERROR(SetMember(name, word, is_string, rotation));
    first = false;
  }
  if (reader.Peek() != '\0') return reader.Unexpected("after top-level value");
  if (rotation.megabytes_max == 0) rotation.megabytes_max = LogRotation().megabytes_max;
  if (rotation.megabytes_max < 0 || rotation.days_max < 0 || rotation.files_max < 0) {
    return absl::InvalidArgumentError("invalid log rotation config: a limit is negative");
  }
  rotation.megabytes_max = std::min<int64_t>(rotation.megabytes_max, INT64_MAX >> 20);
  return rotation;
}

}  // namespace regent::server
