#include "server/config/flags.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "server/config/option_value.h"
#include "server/config/options.h"

namespace regent::server {
namespace {

constexpr std::string_view kPrefix = "ETCD_";

// Accepted without a word and without effect: etcd kept them for the command lines of its first versions. All of them
// may stand alone.
constexpr auto kIgnored = std::to_array<std::string_view>(
    {"cluster-active-size", "cluster-remove-delay", "cluster-sync-interval", "config", "force", "max-result-buffer",
     "max-retry-attempts", "peer-heartbeat-interval", "peer-election-timeout", "retry-interval", "snapshot", "v", "vv",
     "test.coverprofile", "test.outputdir"});

bool IsIgnored(std::string_view name) { return std::find(kIgnored.begin(), kIgnored.end(), name) != kIgnored.end(); }

struct Word {
  std::string name;
  std::optional<std::string> value;  // what stands behind "="
};

// "--name=value", "-name": nullopt for what begins with no dash, and for a dash alone. A name may be empty or wrong.
std::optional<Word> SplitFlag(const std::string& argument) {
  if (argument.size() < 2 || argument[0] != '-') return std::nullopt;
  const size_t dashes = argument[1] == '-' ? 2 : 1;
  const size_t equals = argument.find('=', dashes);
  Word word{argument.substr(dashes, equals == std::string::npos ? equals : equals - dashes), std::nullopt};
  if (equals != std::string::npos) word.value = argument.substr(equals + 1);
  return word;
}

UsageError Usage(std::string message) { return {UsageError::kUsage, std::move(message)}; }
UsageError Leftover(const std::string& word) { return {UsageError::kBadValue, "\"" + word + "\" is not a valid flag"}; }

// Go's flag package words these.
std::optional<UsageError> SetFromWord(const Option& option, const std::string& value, ParsedFlags& flags) {
  const std::string name(option.name);
  const absl::Status set = SetValue(option, value, flags.settings);
  if (set.ok()) {
    flags.given.insert_or_assign(name, GivenValue{"--" + name, NormalValue(option, value, flags.settings)});
    return std::nullopt;
  }
  const std::string why(set.message());
  if (IsSwitch(option)) return Usage("invalid boolean value \"" + value + "\" for -" + name + ": " + why);
  return Usage("invalid value \"" + value + "\" for flag -" + name + ": " + why);
}

std::optional<UsageError> ParseArguments(const std::vector<std::string>& arguments, ParsedFlags& flags) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--")
      return i + 1 < arguments.size() ? std::optional(Leftover(arguments[i + 1])) : std::nullopt;
    std::optional<Word> word = SplitFlag(arguments[i]);
    if (!word) return Leftover(arguments[i]);
    if (word->name.empty() || word->name[0] == '-' || word->name[0] == '=') {
      return Usage("bad flag syntax: " + arguments[i]);
    }
    if (word->name == "h" || word->name == "help") {
      flags.help = true;
      return std::nullopt;
    }
    if (IsIgnored(word->name)) {
      flags.given.insert_or_assign(word->name, GivenValue{"--" + word->name, ""});
      continue;
    }
    const Option* option = FindOption(word->name);
    if (option == nullptr) return Usage("flag provided but not defined: -" + word->name);
    if (!word->value && !IsSwitch(*option) && i + 1 == arguments.size()) {
      return Usage("flag needs an argument: -" + word->name);
    }
    if (!word->value) word->value = IsSwitch(*option) ? "true" : arguments[++i];
    if (auto error = SetFromWord(*option, *word->value, flags)) return error;
  }
  return std::nullopt;
}

std::vector<std::string_view> NamesWithVariables() {
  std::vector<std::string_view> names(kIgnored.begin(), kIgnored.end());
  for (const Option& option : Options()) {
    // ETCD_VERSION is what images call the version that they ship: a warning, as for every unknown name.
    if (option.name != "version") names.push_back(option.name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::optional<UsageError> ParseEnvironment(const std::map<std::string, std::string>& environment, ParsedFlags& flags) {
  std::set<std::string> known;
  std::vector<std::pair<std::string_view, std::string>> set;  // option, variable
  for (const std::string_view name : NamesWithVariables()) {
    const std::string variable = EnvironmentName(name);
    known.insert(variable);
    const auto found = environment.find(variable);
    if (found == environment.end()) continue;
    if (flags.given.contains(name)) {
      return UsageError{UsageError::kBadValue,
                        "conflicting environment variable is shadowed by corresponding command-line flag (either unset "
                        "environment variable or disable flag))",
                        variable};
    }
    if (!found->second.empty()) set.emplace_back(name, variable);
  }
  for (const auto& [name, variable] : set) {
    const std::string& value = environment.at(variable);
    flags.used_environment.emplace_back(variable, value);
    const Option* option = FindOption(name);
    if (option == nullptr) continue;  // ignored
    if (const absl::Status status = SetValue(*option, value, flags.settings); !status.ok()) {
      return UsageError{UsageError::kBadValue,
                        "invalid value \"" + value + "\" for " + variable + ": " + std::string(status.message())};
    }
    flags.given.emplace(name, GivenValue{variable, NormalValue(*option, value, flags.settings)});
  }
  for (const auto& [name, value] : environment) {
    if (name.starts_with(kPrefix) && !known.contains(name)) flags.unknown_environment.push_back(name + "=" + value);
  }
  return std::nullopt;
}

}  // namespace

FlagsOrError ParseFlags(const std::vector<std::string>& arguments,
                        const std::map<std::string, std::string>& environment) {
  ParsedFlags flags;
  if (auto error = ParseArguments(arguments, flags)) return *error;
  if (flags.help || flags.settings.version) return flags;
  std::string& config_file = flags.settings.config_file;
  if (config_file.empty()) {
    const auto variable = environment.find("ETCD_CONFIG_FILE");
    if (variable != environment.end()) config_file = variable->second;
  }
  if (!config_file.empty()) return flags;
  if (auto error = ParseEnvironment(environment, flags)) return *error;
  return flags;
}

std::vector<WithoutEffect> FindWithoutEffect(const ParsedFlags& flags) {
  const Settings defaults;
  std::vector<WithoutEffect> found;
  for (const auto& [name, value] : flags.given) {
    const Option* option = FindOption(name);
    if (option == nullptr || option->support != Option::Support::kNotActive) continue;
    if (value.normal == FormatValue(*option, defaults)) continue;
    found.push_back({value.shown, option->why.empty() ? "it is not active yet" : std::string(option->why)});
  }
  for (const FeatureGate& gate : KnownFeatureGates()) {
    if (flags.settings.feature_gates.enabled(gate.name) == gate.by_default) continue;
    found.push_back({"feature gate " + std::string(gate.name), std::string(gate.why_without_effect)});
  }
  return found;
}

}  // namespace regent::server
