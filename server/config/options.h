// The one table of options. Flags, ETCD_* variables and help text are derived from it; a name that is not in it does
// not exist. It lists every flag of etcd 3.7, those that are refused too, so that the refusal can say why.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/config/settings.h"

namespace regent::server {

struct Option {
  enum class Support {
    kActive,     // works
    kNotActive,  // parsed, shown in help, and a log line says that it has no effect yet
    kRefused,    // known from etcd, not there yet: an error that names it
  };
  // Where a value goes; monostate for refused options. The alternative also says how a value is written.
  using Target = std::variant<std::monostate, std::string Settings::*, bool Settings::*, int64_t Settings::*,
                              uint64_t Settings::*, std::chrono::milliseconds Settings::*,
                              std::chrono::nanoseconds Settings::*, std::vector<Url> Settings::*>;

  std::string_view name;  // without dashes
  std::string_view group;
  Support support = Support::kRefused;
  Target target;
  std::string_view help;
  bool is_switch = false;  // a refused option that needs no value
};

std::span<const Option> Options();
const Option* FindOption(std::string_view name);

// A switch may stand alone: "--x" means "--x=true".
bool IsSwitch(const Option& option);

// The option's value in `settings`, as one would write it on the command line.
std::string FormatValue(const Option& option, const Settings& settings);

// "ETCD_" and the name in capitals with underscores.
std::string EnvironmentName(const Option& option);

// The text of --help.
std::string HelpText();

}  // namespace regent::server
