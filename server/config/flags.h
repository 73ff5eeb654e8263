// Command line and environment to Settings, with etcd's rules: -x and --x, --x=v and --x v, switches without a value,
// the last of a repeated flag wins, ETCD_* for what is not on the command line, and both at once is an error.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "server/config/settings.h"

namespace regent::server {

struct ParsedFlags {
  Settings settings;
  std::set<std::string, std::less<>> given;      // names of options set by flag or environment
  std::vector<std::string> not_active;           // "--name" or "ETCD_NAME" of options given that have no effect yet
  std::vector<std::string> unknown_environment;  // "NAME=value" with ETCD_ in front that no option knows
};

// What to print and the exit code when a server cannot be started with the given words.
struct UsageError {
  static constexpr int kUnknownFlag = 2;
  static constexpr int kBadValue = 1;
  int exit_code = kBadValue;
  std::string message;
};

// `environment` holds every variable, name to value. Syntax and single values only; ValidateSettings judges the whole.
std::variant<ParsedFlags, UsageError> ParseFlags(const std::vector<std::string>& arguments,
                                                 const std::map<std::string, std::string>& environment);

// What must fit together: time-outs, the advertised URLs, the initial cluster, listeners without TLS.
absl::Status ValidateSettings(const ParsedFlags& flags);

}  // namespace regent::server
