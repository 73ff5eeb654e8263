// A configuration file. Promises checked:
//   * parsing ends with settings or with a message that names the file; nothing is thrown;
//   * what an option was given is a value that the option takes from the command line as well.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <variant>

#include "server/config/config_file.h"
#include "server/config/option_value.h"
#include "server/config/validate.h"

namespace regent::server {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckFile(std::string_view text) {
  const FlagsOrError parsed = ParseConfigText("c.yml", text);
  if (const auto* error = std::get_if<UsageError>(&parsed)) {
    Require(error->exit_code == 1 && error->message.find("c.yml") == 0);
    return;
  }
  const auto& flags = std::get<ParsedFlags>(parsed);
  Require(flags.settings.config_file == "c.yml" && !flags.settings.version);
  for (const auto& [name, value] : flags.given) {
    const Option* option = FindOption(name);
    Require(option != nullptr);
    Settings settings;
    Require(SetValue(*option, value.normal, settings).ok());
  }
  if (ValidateSettings(flags).ok()) (void)ValidateBootstrap(flags.settings);
}

}  // namespace
}  // namespace regent::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  regent::server::CheckFile(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
