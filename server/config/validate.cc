#include "server/config/validate.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <utility>

#include "api/contract/duration_text.h"
#include "api/contract/status_macros.h"
#include "server/config/auto_compaction.h"
#include "server/config/identity.h"
#include "server/config/log_rotation.h"
#include "server/config/option_value.h"

namespace regent::server {
namespace {

absl::Status Invalid(std::string text) { return absl::InvalidArgumentError(std::move(text)); }

std::string Quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

bool IsLogLevel(std::string_view text) {
  constexpr auto kLevels =
      std::to_array<std::string_view>({"", "debug", "info", "warn", "warning", "error", "dpanic", "panic", "fatal"});
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::find(kLevels.begin(), kLevels.end(), lower) != kLevels.end();
}

absl::Status CheckLogOutputs(const Settings& settings) {
  const std::vector<std::string>& outputs = settings.log_outputs;
  const auto has = [&](std::string_view name) { return std::count(outputs.begin(), outputs.end(), name) > 0; };
  if (outputs.size() > 1 && has("default")) return Invalid("multi logoutput for \"default\" is not supported yet");
  if (outputs.size() > 1 && has("systemd/journal")) {
    return Invalid("running with systemd/journal but other '--log-outputs' values are configured");
  }
  if (!settings.enable_log_rotation) return absl::OkStatus();
  const auto is_file = [](const std::string& output) {
    return output != "default" && output != "stderr" && output != "stdout" && output != "systemd/journal";
  };
  const auto files = std::count_if(outputs.begin(), outputs.end(), is_file);
  if (files > 1 || (files == 0 && outputs.size() == 1)) {
    return Invalid("--log-outputs requires a single file path when --log-rotate-config-json is defined");
  }
  return ParseLogRotation(settings.log_rotation_config_json).status();
}

absl::Status CheckLogging(const Settings& settings) {
  if (settings.logger == "capnslog") return Invalid("--logger=capnslog is removed in v3.5");
  if (settings.logger != "zap") return Invalid("unknown logger option " + Quoted(settings.logger));
  REGENT_RETURN_IF_ERROR(CheckLogOutputs(settings));
  if (!IsLogLevel(settings.log_level)) return Invalid("unrecognized level: " + Quoted(settings.log_level));
  if (settings.log_format.empty() || settings.log_format == "json" || settings.log_format == "console") {
    return absl::OkStatus();
  }
  return Invalid("unknown log format: " + settings.log_format + ", supported values json, console");
}

absl::Status CheckHosts(const Settings& settings) {
  for (const auto* urls : {&settings.listen_peer_urls, &settings.listen_client_urls, &settings.listen_client_http_urls,
                           &settings.listen_metrics_urls}) {
    for (const Url& url : *urls) REGENT_RETURN_IF_ERROR(CheckListenHost(url));
  }
  const std::pair<const std::vector<Url>*, std::string> advertised[] = {
      {&settings.initial_advertise_peer_urls, "--initial-advertise-peer-urls %s must be \"host:port\""},
      {&settings.advertise_client_urls,
       "--advertise-client-urls %s must be in the format \"host:port\", \"unix:/path/to/socket\" or "
       "\"unixs:/path/to/socket\""}};
  for (const auto& [urls, text] : advertised) {
    for (const Url& url : *urls) {
      if (!url.host.empty()) continue;
      std::string message = text;
      message.replace(message.find("%s"), 2, Quoted(JoinUrls(*urls)));
      return Invalid(message + " (unexpected empty host (" + url.text + "))");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTiming(const Settings& settings) {
  const std::string heartbeat = std::to_string(settings.heartbeat_interval.count()) + "ms";
  const std::string election = std::to_string(settings.election_timeout.count()) + "ms";
  if (settings.heartbeat_interval.count() == 0)
    return Invalid("--heartbeat-interval must be >0 (set to " + heartbeat + ")");
  if (settings.election_timeout.count() == 0) return Invalid("--election-timeout must be >0 (set to " + election + ")");
  if (settings.election_timeout < 5 * settings.heartbeat_interval) {
    return Invalid("--election-timeout[" + election + "] should be at least as 5 times as --heartbeat-interval[" +
                   heartbeat + "]");
  }
  if (settings.election_timeout > std::chrono::milliseconds(50'000)) {
    return Invalid("--election-timeout[" + election + "] is too long, and should be set less than 50000ms");
  }
  return absl::OkStatus();
}

absl::Status CheckFeatures(const Settings& settings) {
  const FeatureGates& gates = settings.feature_gates;
  if (gates.enabled("LeaseCheckpointPersist") && !gates.enabled("LeaseCheckpoint")) {
    return Invalid("enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint");
  }
  if (settings.compact_hash_check_time.count() <= 0) {
    return Invalid("--compact-hash-check-time must be >0 (set to " +
                   api::DurationText(settings.compact_hash_check_time) + ")");
  }
  return absl::OkStatus();
}

absl::Status CheckRefused(const ParsedFlags& flags) {
  const Settings defaults;
  for (const auto& [name, value] : flags.given) {
    const Option* option = FindOption(name);
    if (option == nullptr || option->support != Option::Support::kRefused) continue;
    if (value.normal == FormatValue(*option, defaults)) continue;
    return Invalid(value.shown + " is not supported by this version of regent: " + std::string(option->why) +
                   "; remove it to start the server");
  }
  return absl::OkStatus();
}

// As etcd's, and only where it matters.
absl::Status CheckSelfSigned(const Settings& settings) {
  if (!settings.peer_auto_tls || !settings.peer_cert_file.empty() || !settings.peer_key_file.empty()) {
    return absl::OkStatus();
  }
  if (settings.self_signed_cert_validity == 0) {
    return Invalid("selfSignedCertValidity is invalid,it should be greater than 0");
  }
  if (settings.self_signed_cert_validity > 1000) {
    return Invalid("--self-signed-cert-validity=" + std::to_string(settings.self_signed_cert_validity) +
                   " is too long: at most 1000 years");
  }
  return absl::OkStatus();
}

absl::Status CheckSchemes(const Settings& settings) {
  const std::pair<std::string_view, const std::vector<Url>*> lists[] = {
      {"--listen-client-urls", &settings.listen_client_urls},
      {"--listen-client-http-urls", &settings.listen_client_http_urls},
      {"--listen-peer-urls", &settings.listen_peer_urls},
      {"--listen-metrics-urls", &settings.listen_metrics_urls}};
  for (const auto& [name, urls] : lists) {
    for (const Url& url : *urls) {
      if (url.is_secure() && urls == &settings.listen_peer_urls) {
        const bool given = !settings.peer_cert_file.empty() || !settings.peer_key_file.empty();
        if (!given && settings.peer_auto_tls) continue;
        if (!settings.peer_cert_file.empty() && !settings.peer_key_file.empty()) continue;
        return Invalid("cannot listen on TLS for " + url.text + ": KeyFile and CertFile are not presented");
      }
      if (url.is_secure()) {
        return Invalid(std::string(name) + " has " + url.text +
                       ", but TLS is not supported by this version of regent; use http or unix");
      }
      if (url.port > 65535) return Invalid("listen tcp: address " + std::to_string(url.port) + ": invalid port");
    }
  }
  for (const Url& url : settings.listen_client_http_urls) {
    const std::vector<Url>& both = settings.listen_client_urls;
    if (url.port != 0 && std::find(both.begin(), both.end(), url) != both.end()) {
      return Invalid("cannot bind both --listen-client-urls and --listen-client-http-urls on the same url " + url.text);
    }
  }
  return absl::OkStatus();
}

// "name=url,name=url", without those of `but_not`.
std::string JoinMissing(const std::string& name, const std::vector<std::string>& urls,
                        const std::vector<std::string>& but_not) {
  std::string text;
  for (const std::string& url : urls) {
    if (std::find(but_not.begin(), but_not.end(), url) != but_not.end()) continue;
    if (!text.empty()) text += ',';
    text += (name.empty() ? "" : name + "=") + url;
  }
  return text;
}

std::string Join(const std::set<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
  return text;
}

absl::Status CheckOwnUrls(const Settings& settings, const BootstrapMember& own) {
  std::vector<std::string> advertised;
  for (const Url& url : settings.initial_advertise_peer_urls) advertised.push_back(url.text);
  std::sort(advertised.begin(), advertised.end());
  std::vector<std::string> named = own.peer_urls;
  std::sort(named.begin(), named.end());
  if (const std::string missing = JoinMissing(own.name, named, advertised); !missing.empty()) {
    return Invalid("--initial-cluster has " + missing +
                   " but missing from --initial-advertise-peer-urls=" + JoinUrls(settings.initial_advertise_peer_urls));
  }
  if (const std::string missing = JoinMissing("", advertised, named); !missing.empty()) {
    return Invalid("--initial-advertise-peer-urls has " + missing +
                   " but missing from --initial-cluster=" + JoinMissing(own.name, advertised, {}));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateSettings(const ParsedFlags& flags) {
  const Settings& settings = flags.settings;
  REGENT_RETURN_IF_ERROR(CheckLogging(settings));
  REGENT_RETURN_IF_ERROR(CheckHosts(settings));
  REGENT_RETURN_IF_ERROR(CheckTiming(settings));
  if (settings.config_file.empty() && flags.given.contains("listen-client-urls") &&
      !flags.given.contains("advertise-client-urls")) {
    return Invalid("--advertise-client-urls is required when --listen-client-urls is set explicitly");
  }
  REGENT_RETURN_IF_ERROR(ParseAutoCompaction(settings).status());
  REGENT_RETURN_IF_ERROR(CheckFeatures(settings));
  REGENT_RETURN_IF_ERROR(CheckRefused(flags));
  REGENT_RETURN_IF_ERROR(CheckSelfSigned(settings));
  return CheckSchemes(settings);
}

absl::Status ValidateBootstrap(const Settings& settings) {
  REGENT_ASSIGN_OR_RETURN(const std::vector<BootstrapMember> members, ParseInitialCluster(InitialCluster(settings)));
  const auto own = std::find_if(members.begin(), members.end(), [&](const auto& m) { return m.name == settings.name; });
  if (own == members.end()) {
    return Invalid("couldn't find local name " + Quoted(settings.name) + " in the initial cluster configuration");
  }
  REGENT_RETURN_IF_ERROR(CheckOwnUrls(settings, *own));
  std::set<std::string> urls, pairs;
  bool has_duplicate = false;
  for (const BootstrapMember& member : members) {
    for (const std::string& url : member.peer_urls) {
      has_duplicate |= !urls.insert(url).second;
      pairs.insert(member.name + "=" + url);
    }
  }
  if (has_duplicate) return Invalid("initial cluster " + Join(pairs) + " has duplicate url");
  return absl::OkStatus();
}

std::string InitialCluster(const Settings& settings) {
  const Settings defaults;
  if (settings.initial_cluster != defaults.initial_cluster || settings.name == defaults.name) {
    return settings.initial_cluster;
  }
  std::string text;
  for (const Url& url : settings.initial_advertise_peer_urls) {
    if (!text.empty()) text += ',';
    text += (settings.name.empty() ? defaults.name : settings.name) + "=" + url.text;
  }
  return text;
}

}  // namespace regent::server
