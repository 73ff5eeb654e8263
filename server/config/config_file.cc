#include "server/config/config_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <optional>

#include "api/contract/status_macros.h"
#include "server/config/number.h"
#include "server/config/option_value.h"

namespace regent::server {
namespace {

enum class Kind { kNull, kSwitch, kNumber, kText, kList, kMap };

std::string_view KindName(Kind kind) {
  constexpr std::array<std::string_view, 6> kNames = {"nothing",  "a boolean", "a number",
                                                      "a string", "a list",    "a map"};
  return kNames.at(static_cast<size_t>(kind));
}

bool IsOneOf(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::optional<bool> ReadYamlBool(std::string_view text) {
  if (IsOneOf(text, {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})) return true;
  if (IsOneOf(text, {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})) return false;
  return std::nullopt;
}

// A whole number in any of YAML's spellings, 1e3 too; nullopt when it is none.
std::optional<std::string> ReadYamlInteger(std::string text) {
  std::erase(text, '_');
  if (const UnsignedNumber number = ReadUnsigned(text); !number.error) return std::to_string(number.value);
  if (const SignedNumber number = ReadSigned(text); !number.error) return std::to_string(number.value);
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || std::trunc(value) != value || std::fabs(value) >= 9e18) return std::nullopt;
  return std::to_string(static_cast<int64_t>(value));
}

bool IsNumber(const std::string& text) {
  if (text.empty() || text.size() > 64 || IsOneOf(text, {"+", "-", ".", "_"})) return false;
  const char first = text[0];
  if (first != '+' && first != '-' && first != '.' && std::isdigit(static_cast<unsigned char>(first)) == 0)
    return false;
  if (ReadYamlInteger(text)) return true;
  char* end = nullptr;
  std::strtod(text.c_str(), &end);
  return *end == '\0' && end != text.c_str();
}

Kind KindOf(const YAML::Node& node) {
  if (node.IsSequence()) return Kind::kList;
  if (node.IsMap()) return Kind::kMap;
  if (!node.IsScalar()) return Kind::kNull;
  const std::string& text = node.Scalar();
  if (node.Tag() != "?") return Kind::kText;  // quoted
  if (IsOneOf(text, {"", "~", "null", "Null", "NULL"})) return Kind::kNull;
  if (ReadYamlBool(text)) return Kind::kSwitch;
  return IsNumber(text) ? Kind::kNumber : Kind::kText;
}

// How the value of an option stands in the file.
enum class Shape { kText, kSwitch, kInteger, kNanoseconds, kTexts };

Shape ShapeOf(const Option& option) {
  if (IsOneOf(option.name, {"log-outputs", "cipher-suites", "discovery-endpoints", "peer-cert-allowed-cn",
                            "peer-cert-allowed-hostname", "client-cert-allowed-hostname"})) {
    return Shape::kTexts;
  }
  if (IsSwitch(option)) return Shape::kSwitch;
  if (const auto* unread = std::get_if<Unread>(&option.target)) {
    if (unread->form == Form::kDuration) return Shape::kNanoseconds;
    return unread->form == Form::kText ? Shape::kText : Shape::kInteger;
  }
  if (std::holds_alternative<std::chrono::nanoseconds Settings::*>(option.target)) return Shape::kNanoseconds;
  const bool is_number = std::holds_alternative<int64_t Settings::*>(option.target) ||
                         std::holds_alternative<uint32_t Settings::*>(option.target) ||
                         std::holds_alternative<uint64_t Settings::*>(option.target) ||
                         std::holds_alternative<std::chrono::milliseconds Settings::*>(option.target);
  return is_number ? Shape::kInteger : Shape::kText;
}

// Flags that are no keys at the top: they stand in a map of their own, or only on the command line.
bool IsKey(std::string_view name) {
  return !IsOneOf(name, {"version", "config-file", "discovery-fallback", "raft-read-timeout", "raft-write-timeout",
                         "client-crl-file", "peer-crl-file", "socket-reuse-port", "socket-reuse-address", "auto-tls",
                         "peer-auto-tls", "peer-skip-client-san-verification", "client-cert-allowed-hostname",
                         "peer-cert-allowed-cn", "peer-cert-allowed-hostname"}) &&
         !name.ends_with("cert-file") && !name.ends_with("key-file") && !name.ends_with("ca-file") &&
         !name.ends_with("cert-auth") && (!name.starts_with("discovery-") || name.starts_with("discovery-srv"));
}

// The keys of the nested maps, and the flags that they stand for.
using Keys = std::map<std::string, std::string_view, std::less<>>;
const std::map<std::string, Keys, std::less<>>& Sections() {
  static const std::map<std::string, Keys, std::less<>> kSections = {
      {"client-transport-security",
       {{"cert-file", "cert-file"},
        {"key-file", "key-file"},
        {"client-cert-file", "client-cert-file"},
        {"client-key-file", "client-key-file"},
        {"client-cert-auth", "client-cert-auth"},
        {"trusted-ca-file", "trusted-ca-file"},
        {"auto-tls", "auto-tls"},
        {"allowed-hostname", "client-cert-allowed-hostname"}}},
      {"peer-transport-security",
       {{"cert-file", "peer-cert-file"},
        {"key-file", "peer-key-file"},
        {"client-cert-file", "peer-client-cert-file"},
        {"client-key-file", "peer-client-key-file"},
        {"client-cert-auth", "peer-client-cert-auth"},
        {"trusted-ca-file", "peer-trusted-ca-file"},
        {"auto-tls", "peer-auto-tls"},
        {"allowed-cn", "peer-cert-allowed-cn"},
        {"allowed-hostname", "peer-cert-allowed-hostname"},
        {"skip-client-san-verification", "peer-skip-client-san-verification"}}},
      {"socket-options", {{"reuse-port", "socket-reuse-port"}, {"reuse-address", "socket-reuse-address"}}},
      {"discovery-config", {{"endpoints", "discovery-endpoints"}, {"token", "discovery-token"}}},
  };
  return kSections;
}

class FileParser {
 public:
  explicit FileParser(const std::string& path) : path_(path) {}

  absl::Status Parse(const YAML::Node& root);
  ParsedFlags& flags() { return flags_; }

 private:
  absl::Status SetOption(const Option& option, const std::string& key, const YAML::Node& node);
  absl::Status SetSection(const std::string& section, const Keys& keys, const YAML::Node& node);
  absl::StatusOr<std::optional<std::string>> Text(const Option& option, const std::string& key, const YAML::Node& node);
  absl::StatusOr<std::string> JoinTexts(const std::string& key, const YAML::Node& node);
  absl::Status Bad(const YAML::Node& node, const std::string& what) const;

  const std::string& path_;
  ParsedFlags flags_;
};

absl::Status FileParser::Bad(const YAML::Node& node, const std::string& what) const {
  return absl::InvalidArgumentError(path_ + " line " + std::to_string(node.Mark().line + 1) + ": " + what);
}

absl::Status FileParser::Parse(const YAML::Node& root) {
  if (KindOf(root) == Kind::kNull) return absl::OkStatus();
  if (!root.IsMap())
    return Bad(root, "the file must hold a map of settings, not " + std::string(KindName(KindOf(root))));
  for (const auto& entry : root) {
    if (!entry.first.IsScalar()) return Bad(entry.first, "a key must be a name");
    std::string key = entry.first.Scalar();
    for (char& c : key) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (const auto section = Sections().find(key); section != Sections().end()) {
      REGENT_RETURN_IF_ERROR(SetSection(key, section->second, entry.second));
    } else if (const Option* option = FindOption(key); option != nullptr && IsKey(key)) {
      REGENT_RETURN_IF_ERROR(SetOption(*option, key, entry.second));
    }
  }
  return absl::OkStatus();
}

absl::Status FileParser::SetSection(const std::string& section, const Keys& keys, const YAML::Node& node) {
  const Kind kind = KindOf(node);
  if (kind == Kind::kNull && section != "peer-transport-security") return absl::OkStatus();
  if (kind != Kind::kMap) {
    return Bad(node, "invalid " + section + ": it must be a map, not " + std::string(KindName(kind)));
  }
  for (const auto& entry : node) {
    if (!entry.first.IsScalar()) return Bad(entry.first, "a key must be a name");
    const auto key = keys.find(entry.first.Scalar());
    if (key == keys.end()) continue;
    REGENT_RETURN_IF_ERROR(SetOption(*FindOption(key->second), section + "." + key->first, entry.second));
  }
  return absl::OkStatus();
}

absl::Status FileParser::SetOption(const Option& option, const std::string& key, const YAML::Node& node) {
  REGENT_ASSIGN_OR_RETURN(const std::optional<std::string> text, Text(option, key, node));
  if (!text) return absl::OkStatus();
  if (!option.choices.empty() && option.name == "v2-deprecation") return absl::OkStatus();  // any text, as etcd
  if (const absl::Status set = SetValue(option, *text, flags_.settings); !set.ok()) {
    if (option.name == "initial-cluster-state") return Bad(node, "unexpected clusterState \"" + *text + "\"");
    return Bad(node, "unexpected error setting up " + key + ": " + std::string(set.message()));
  }
  flags_.given.insert_or_assign(std::string(option.name),
                                GivenValue{key + " in " + path_, NormalValue(option, *text, flags_.settings)});
  return absl::OkStatus();
}

absl::StatusOr<std::string> FileParser::JoinTexts(const std::string& key, const YAML::Node& node) {
  std::string joined;
  for (const YAML::Node& part : node) {
    if (KindOf(part) != Kind::kText) {
      return Bad(part, key + " must be a list of strings, not of " + std::string(KindName(KindOf(part))));
    }
    joined += (joined.empty() ? "" : ",") + part.Scalar();
  }
  return joined;
}

// The value as a flag would have it; nullopt: as if it were not there.
absl::StatusOr<std::optional<std::string>> FileParser::Text(const Option& option, const std::string& key,
                                                            const YAML::Node& node) {
  const Kind kind = KindOf(node);
  const Shape shape = ShapeOf(option);
  if (kind == Kind::kNull) return std::nullopt;
  const auto wrong = [&](const std::string& wanted) {
    std::string shown = node.IsScalar() ? " \"" + node.Scalar() + "\"" : "";
    return Bad(node, key + " must be " + wanted + ", not " + std::string(KindName(kind)) + shown);
  };
  switch (shape) {
    case Shape::kText: {
      if (kind != Kind::kText) return wrong("a string");
      const std::string& text = node.Scalar();
      const bool keeps_default = option.name == "cors" || option.name == "host-whitelist" || !option.choices.empty();
      if (text.empty() && keeps_default) return std::nullopt;
      return text;
    }
    case Shape::kTexts: {
      if (kind != Kind::kList) return wrong("a list of strings");
      if (node.size() == 0) return std::nullopt;
      REGENT_ASSIGN_OR_RETURN(std::string joined, JoinTexts(key, node));
      return joined;
    }
    case Shape::kSwitch:
      if (kind != Kind::kSwitch) return wrong("true or false");
      return *ReadYamlBool(node.Scalar()) ? "true" : "false";
    case Shape::kInteger:
    case Shape::kNanoseconds:
      break;
  }
  const bool is_time = shape == Shape::kNanoseconds;
  const std::string wanted = is_time ? "a duration in whole nanoseconds" : "a whole number in its range";
  const std::optional<std::string> number = kind == Kind::kNumber ? ReadYamlInteger(node.Scalar()) : std::nullopt;
  if (!number) return wrong(wanted);
  const std::string text = *number + (is_time ? "ns" : "");
  Settings scratch;
  if (!SetValue(option, text, scratch).ok()) return wrong(wanted);
  return text;
}

}  // namespace

FlagsOrError ParseConfigText(const std::string& path, std::string_view text) {
  const auto refuse = [](std::string message) { return UsageError{UsageError::kBadValue, std::move(message)}; };
  if (text.size() > kConfigFileBytesMax) {
    return refuse(path + " is larger than " + std::to_string(kConfigFileBytesMax) + " bytes");
  }
  FileParser parser(path);
  try {
    // The library throws; nothing of it leaves this block.
    if (const absl::Status parsed = parser.Parse(YAML::Load(std::string(text))); !parsed.ok()) {
      return refuse(std::string(parsed.message()));
    }
  } catch (const YAML::Exception& exception) {
    return refuse(path + " line " + std::to_string(exception.mark.line + 1) + ": " + exception.msg);
  }
  ParsedFlags flags = std::move(parser.flags());
  flags.settings.config_file = path;
  return flags;
}

FlagsOrError ParseConfigFile(const std::string& path) {
  const auto unreadable = [&](int error) {
    const std::string why = error == ENOENT ? "no such file or directory" : std::strerror(error);
    return UsageError{UsageError::kBadValue, "open " + path + ": " + why};
  };
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rbe"), &std::fclose);
  if (file == nullptr) return unreadable(errno);
  std::string text(kConfigFileBytesMax + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return unreadable(errno);
  return ParseConfigText(path, text);
}

}  // namespace regent::server
