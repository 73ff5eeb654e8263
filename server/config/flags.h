// Command line and environment to Settings, with etcd's rules: -x and --x, --x=v and --x v, switches without a value,
// the last of a repeated flag wins, ETCD_* for what is not on the command line, both at once is an error, and neither
// counts when a configuration file is named.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "server/config/settings.h"

namespace regent::server {

// A value that an option was given.
struct GivenValue {
  std::string shown;   // where, for messages: "--name", "ETCD_NAME", "name in FILE"
  std::string normal;  // the value as FormatValue writes it
};

struct ParsedFlags {
  Settings settings;
  std::map<std::string, GivenValue, std::less<>> given;               // by the name of the option
  std::vector<std::pair<std::string, std::string>> used_environment;  // variables that set something, and their values
  std::vector<std::string> unknown_environment;  // "NAME=value" with ETCD_ in front that no option knows
  bool help = false;                             // nothing else counts then
};

// What to print and the exit code when a server cannot be started with what it was given.
struct UsageError {
  static constexpr int kUsage = 2;     // a word that is no flag or has a bad value: the usage is shown
  static constexpr int kBadValue = 1;  // everything else
  int exit_code = kBadValue;
  std::string message;
  std::string environment_variable = {};  // that the message is about
};

using FlagsOrError = std::variant<ParsedFlags, UsageError>;

// `environment` holds every variable, name to value. Syntax and single values only; ValidateSettings judges the whole.
// When settings.config_file is set, what counts is ParseConfigFile of it.
FlagsOrError ParseFlags(const std::vector<std::string>& arguments,
                        const std::map<std::string, std::string>& environment);

// Options that were given another value than their default, which has no effect, with the reason: one log line each.
struct WithoutEffect {
  std::string shown;
  std::string why;
};
std::vector<WithoutEffect> FindWithoutEffect(const ParsedFlags& flags);

}  // namespace regent::server
