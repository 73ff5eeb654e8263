#include "server/config/flags.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "api/contract/status_macros.h"
#include "server/config/auto_compaction.h"
#include "server/config/duration.h"
#include "server/config/identity.h"
#include "server/config/options.h"

namespace regent::server {
namespace {

constexpr std::string_view kPrefix = "ETCD_";

// Accepted without a word: etcd kept them for the command lines of its first versions.
constexpr auto kIgnored = std::to_array<std::string_view>(
    {"cluster-active-size", "cluster-remove-delay", "cluster-sync-interval", "config", "force", "max-result-buffer",
     "max-retry-attempts", "peer-heartbeat-interval", "peer-election-timeout", "retry-interval", "snapshot", "v", "vv",
     "test.coverprofile", "test.outputdir"});
constexpr auto kIgnoredSwitches = std::to_array<std::string_view>({"force", "snapshot", "v", "vv"});

// Variables with the prefix that are no options and no mistakes.
constexpr auto kSpecialVariables = std::to_array<std::string_view>({"ETCD_UNSUPPORTED_ARCH", "ETCD_VERIFY"});

template <typename Table>
bool Contains(const Table& table, std::string_view name) {
  return std::find(table.begin(), table.end(), name) != table.end();
}

template <typename T>
absl::Status ParseNumber(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return absl::OkStatus();
  return absl::InvalidArgumentError("\"" + std::string(text) + "\" is not a whole number in range");
}

absl::StatusOr<bool> ParseBool(std::string_view text) {
  if (Contains(std::to_array<std::string_view>({"1", "t", "T", "true", "TRUE", "True"}), text)) return true;
  if (Contains(std::to_array<std::string_view>({"0", "f", "F", "false", "FALSE", "False"}), text)) return false;
  return absl::InvalidArgumentError("\"" + std::string(text) + "\" is neither true nor false");
}

// Writes the text of one value to its place in the settings.
struct Setter {
  Settings& settings;
  std::string_view text;

  absl::Status operator()(std::monostate) const { return absl::OkStatus(); }
  absl::Status operator()(std::string Settings::*member) const {
    settings.*member = std::string(text);
    return absl::OkStatus();
  }
  absl::Status operator()(bool Settings::*member) const {
    REGENT_ASSIGN_OR_RETURN(settings.*member, ParseBool(text));
    return absl::OkStatus();
  }
  absl::Status operator()(int64_t Settings::*member) const { return ParseNumber(text, settings.*member); }
  absl::Status operator()(uint64_t Settings::*member) const { return ParseNumber(text, settings.*member); }
  absl::Status operator()(std::chrono::milliseconds Settings::*member) const {
    uint32_t milliseconds = 0;
    REGENT_RETURN_IF_ERROR(ParseNumber(text, milliseconds));
    settings.*member = std::chrono::milliseconds(milliseconds);
    return absl::OkStatus();
  }
  absl::Status operator()(std::chrono::nanoseconds Settings::*member) const {
    REGENT_ASSIGN_OR_RETURN(settings.*member, ParseDuration(text));
    return absl::OkStatus();
  }
  absl::Status operator()(std::vector<Url> Settings::*member) const {
    if (text.empty()) {
      (settings.*member).clear();
      return absl::OkStatus();
    }
    REGENT_ASSIGN_OR_RETURN(settings.*member, ParseUrls(text));
    return absl::OkStatus();
  }
};

// Sets one option, called `shown` ("--name" or "ETCD_NAME") in messages.
std::optional<UsageError> Set(const Option& option, const std::string& shown, std::string_view value,
                              ParsedFlags& flags) {
  if (option.support == Option::Support::kRefused) {
    return UsageError{UsageError::kBadValue, shown + " is not supported by this version of regent: " +
                                                 std::string(option.help) + "; remove it to start the server"};
  }
  if (absl::Status set = std::visit(Setter{flags.settings, value}, option.target); !set.ok()) {
    return UsageError{UsageError::kBadValue, "invalid value for " + shown + ": " + std::string(set.message())};
  }
  if (option.support == Option::Support::kNotActive) flags.not_active.push_back(shown);
  flags.given.emplace(option.name);
  return std::nullopt;
}

struct Word {
  std::string name;
  std::optional<std::string> value;  // what stands behind "="
};

// "--name=value", "-name": nullopt for anything that does not start with a dash.
std::optional<Word> SplitFlag(const std::string& argument) {
  size_t dashes = 0;
  while (dashes < 2 && dashes < argument.size() && argument[dashes] == '-') ++dashes;
  if (dashes == 0 || dashes == argument.size()) return std::nullopt;
  const size_t equals = argument.find('=');
  Word word{argument.substr(dashes, equals == std::string::npos ? equals : equals - dashes), std::nullopt};
  if (equals != std::string::npos) word.value = argument.substr(equals + 1);
  return word;
}

std::optional<UsageError> ParseArguments(const std::vector<std::string>& arguments, ParsedFlags& flags) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::optional<Word> word = SplitFlag(arguments[i]);
    if (!word) return UsageError{UsageError::kBadValue, "\"" + arguments[i] + "\" is not a valid flag"};
    if (word->name == "h") word->name = "help";
    const Option* option = FindOption(word->name);
    const bool ignored = option == nullptr && Contains(kIgnored, word->name);
    if (option == nullptr && !ignored) {
      return UsageError{UsageError::kUnknownFlag, "flag provided but not defined: -" + word->name};
    }
    const bool is_switch = ignored ? Contains(kIgnoredSwitches, word->name) : IsSwitch(*option);
    if (!word->value && !is_switch && i + 1 == arguments.size()) {
      return UsageError{UsageError::kUnknownFlag, "flag needs an argument: -" + word->name};
    }
    if (!word->value) word->value = is_switch ? "true" : arguments[++i];
    if (ignored) continue;
    if (auto error = Set(*option, "--" + word->name, *word->value, flags)) return error;
  }
  return std::nullopt;
}

std::optional<UsageError> ParseEnvironment(const std::map<std::string, std::string>& environment, ParsedFlags& flags) {
  std::set<std::string> known(kSpecialVariables.begin(), kSpecialVariables.end());
  const std::set<std::string, std::less<>> on_command_line = flags.given;
  for (const Option& option : Options()) {
    const std::string name = EnvironmentName(option);
    // ETCD_VERSION is what images call the version that they ship; it is no option there.
    if (name == "ETCD_VERSION" || name == "ETCD_HELP") continue;
    known.insert(name);
    const auto found = environment.find(name);
    if (found == environment.end() || found->second.empty()) continue;
    if (on_command_line.contains(option.name)) {
      return UsageError{UsageError::kBadValue,
                        "conflicting environment variable is shadowed by corresponding command-line flag (either unset "
                        "environment variable or disable flag)): " +
                            name};
    }
    if (auto error = Set(option, name, found->second, flags)) return error;
  }
  for (const auto& [name, value] : environment) {
    if (name.starts_with(kPrefix) && !known.contains(name)) flags.unknown_environment.push_back(name + "=" + value);
  }
  return std::nullopt;
}

absl::Status CheckTiming(const Settings& settings) {
  const auto heartbeat = settings.heartbeat_interval;
  const auto election = settings.election_timeout;
  if (heartbeat.count() <= 0)
    return absl::InvalidArgumentError("--heartbeat-interval must be more than 0 (milliseconds)");
  if (election < 5 * heartbeat) {
    return absl::InvalidArgumentError("--election-timeout " + std::to_string(election.count()) +
                                      " must be at least five times --heartbeat-interval " +
                                      std::to_string(heartbeat.count()));
  }
  if (election > std::chrono::milliseconds(50'000)) {
    return absl::InvalidArgumentError("--election-timeout " + std::to_string(election.count()) +
                                      " is too long: at most 50000 (milliseconds)");
  }
  const auto progress = settings.watch_progress_notify_interval;
  if (progress.count() != 0 && progress < std::chrono::milliseconds(100)) {
    return absl::InvalidArgumentError("--watch-progress-notify-interval " + FormatDuration(progress) +
                                      " is too short: at least 100ms");
  }
  return absl::OkStatus();
}

absl::Status CheckListeners(const ParsedFlags& flags) {
  const Settings& settings = flags.settings;
  const std::pair<std::string_view, const std::vector<Url>*> lists[] = {
      {"--listen-client-urls", &settings.listen_client_urls},
      {"--listen-peer-urls", &settings.listen_peer_urls},
      {"--listen-metrics-urls", &settings.listen_metrics_urls}};
  for (const auto& [name, urls] : lists) {
    for (const Url& url : *urls) {
      if (url.is_secure()) {
        return absl::InvalidArgumentError(std::string(name) + " has " + url.text +
                                          ", but TLS is not supported by this version of regent; use http or unix");
      }
      if (absl::Status host = CheckListenHost(url); !host.ok()) {
        return absl::InvalidArgumentError(std::string(name) + ": " + std::string(host.message()));
      }
    }
  }
  if (settings.listen_client_urls.empty())
    return absl::InvalidArgumentError("--listen-client-urls is empty: no client could be served");
  if (flags.given.contains("listen-client-urls") && !flags.given.contains("advertise-client-urls")) {
    return absl::InvalidArgumentError(
        "--advertise-client-urls is required when --listen-client-urls is set explicitly");
  }
  return absl::OkStatus();
}

absl::Status CheckInitialCluster(const Settings& settings) {
  if (settings.initial_cluster.empty()) return absl::OkStatus();
  REGENT_ASSIGN_OR_RETURN(std::vector<BootstrapMember> members, ParseInitialCluster(settings.initial_cluster));
  if (members.size() > 1) {
    return absl::InvalidArgumentError(
        "--initial-cluster names " + std::to_string(members.size()) +
        " members; clusters of several members are not supported by this version of regent");
  }
  if (members[0].name != settings.name) {
    return absl::InvalidArgumentError("couldn't find local name \"" + settings.name +
                                      "\" in the initial cluster configuration \"" + settings.initial_cluster + "\"");
  }
  std::vector<std::string> advertised;
  for (const Url& url : settings.initial_advertise_peer_urls) advertised.push_back(url.text);
  std::sort(advertised.begin(), advertised.end());
  std::sort(members[0].peer_urls.begin(), members[0].peer_urls.end());
  if (advertised != members[0].peer_urls) {
    return absl::InvalidArgumentError("--initial-cluster \"" + settings.initial_cluster +
                                      "\" does not match --initial-advertise-peer-urls \"" +
                                      JoinUrls(settings.initial_advertise_peer_urls) + "\"");
  }
  return absl::OkStatus();
}

}  // namespace

std::variant<ParsedFlags, UsageError> ParseFlags(const std::vector<std::string>& arguments,
                                                 const std::map<std::string, std::string>& environment) {
  ParsedFlags flags;
  if (auto error = ParseArguments(arguments, flags)) return *error;
  if (flags.settings.help || flags.settings.version) return flags;
  if (auto error = ParseEnvironment(environment, flags)) return *error;
  return flags;
}

absl::Status ValidateSettings(const ParsedFlags& flags) {
  constexpr auto kLevels =
      std::to_array<std::string_view>({"debug", "info", "warn", "error", "panic", "fatal", "dpanic"});
  if (!Contains(kLevels, flags.settings.log_level)) {
    return absl::InvalidArgumentError("--log-level \"" + flags.settings.log_level +
                                      "\" is not one of debug, info, warn, error, panic, fatal");
  }
  REGENT_RETURN_IF_ERROR(CheckTiming(flags.settings));
  REGENT_RETURN_IF_ERROR(ParseAutoCompaction(flags.settings).status());
  REGENT_RETURN_IF_ERROR(CheckListeners(flags));
  return CheckInitialCluster(flags.settings);
}

}  // namespace regent::server
