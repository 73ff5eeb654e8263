// The one table of options. Flags, ETCD_* variables, keys of the configuration file, help text, completion and
// docs/flags.md are derived from it; a name that is not in it does not exist. It lists every flag of etcd 3.7, those
// that are refused too, so that the refusal can say why.
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

// How a value is written whose option has no place in the settings.
enum class Form { kText, kSwitch, kUnsigned, kSigned, kDuration };

// A value that nobody reads: its form is checked, and whether it differs from the default.
struct Unread {
  Form form = Form::kText;
  std::string_view by_default;
};

struct Option {
  // What happens when the value differs from the default.
  enum class Support {
    kActive,     // it works
    kNotActive,  // accepted; a log line says that it has no effect, and why
    kRefused,    // the server does not start: what is asked for would change what is safe, and is not there yet
  };
  // Where a value goes. The alternative also says how it is written.
  using Target =
      std::variant<Unread, std::string Settings::*, bool Settings::*, int64_t Settings::*, uint32_t Settings::*,
                   uint64_t Settings::*, std::chrono::milliseconds Settings::*, std::chrono::nanoseconds Settings::*,
                   std::vector<Url> Settings::*, std::vector<std::string> Settings::*, FeatureGates Settings::*>;

  std::string_view name;  // without dashes
  std::string_view group;
  Support support = Support::kActive;
  Target target;
  std::string_view help;
  std::string_view why = {};      // of what is not active ("has no effect here: <why>") or refused
  std::string_view choices = {};  // the only values, comma-separated; empty: any
};

// In the order of the help text: an option stands beside the others of its group.
std::span<const Option> Options();
const Option* FindOption(std::string_view name);

// A switch may stand alone: "--x" means "--x=true".
bool IsSwitch(const Option& option);

// "ETCD_" and the name in capitals with underscores.
std::string EnvironmentName(std::string_view name);

}  // namespace regent::server
