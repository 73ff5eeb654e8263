// Words of a command line, the environment and a log rotation, one line each. Promises checked:
//   * parsing and judging end, with settings or with a message;
//   * what an option was given is written back as a value that means the same;
//   * a word that begins with no dash is never accepted.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/config/log_rotation.h"
#include "server/config/option_value.h"
#include "server/config/validate.h"

namespace regent::server {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

// A value that came out goes in again and comes out the same.
void CheckNormalValues(const ParsedFlags& flags) {
  for (const auto& [name, value] : flags.given) {
    const Option* option = FindOption(name);
    if (option == nullptr) continue;  // of an old version
    Settings settings;
    const bool no_value_is_default = value.normal.empty() && !option->choices.empty();
    if (no_value_is_default) continue;
    Require(SetValue(*option, value.normal, settings).ok());
    Require(NormalValue(*option, value.normal, settings) == value.normal);
  }
}

void CheckFlags(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment) {
  const FlagsOrError parsed = ParseFlags(arguments, environment);
  if (const auto* error = std::get_if<UsageError>(&parsed)) {
    Require(!error->message.empty() && (error->exit_code == 1 || error->exit_code == 2));
    return;
  }
  const auto& flags = std::get<ParsedFlags>(parsed);
  const bool first_is_flag = arguments.empty() || (!arguments[0].empty() && arguments[0][0] == '-');
  Require(first_is_flag);
  CheckNormalValues(flags);
  const absl::Status valid = ValidateSettings(flags);
  Require(valid.ok() || !valid.message().empty());
  if (valid.ok()) (void)ValidateBootstrap(flags.settings);
  for (const WithoutEffect& option : FindWithoutEffect(flags)) Require(!option.why.empty());
}

}  // namespace
}  // namespace regent::server

// A line "NAME=value" that begins with a capital is a variable, every other one a word.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace regent::server;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string line(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    const size_t equals = line.find('=');
    if (!line.empty() && line[0] >= 'A' && line[0] <= 'Z' && equals != std::string::npos) {
      environment[line.substr(0, equals)] = line.substr(equals + 1);
    } else {
      arguments.push_back(line);
    }
    (void)ParseLogRotation(line);
  }
  CheckFlags(arguments, environment);
  return 0;
}
