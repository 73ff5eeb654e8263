#include "server/config/options.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "server/config/duration.h"

namespace regent::server {
namespace {

using Support = Option::Support;
constexpr auto kActive = Support::kActive;
constexpr auto kRefused = Support::kRefused;

constexpr std::string_view kMember = "Member";
constexpr std::string_view kClustering = "Clustering";
constexpr std::string_view kLimits = "Limits and timing";
constexpr std::string_view kLogging = "Logging";
constexpr std::string_view kOther = "Other";

// A refused option: its help says which part of the server is missing.
constexpr Option Refused(std::string_view name, std::string_view missing) {
  return {name, "", kRefused, std::monostate(), missing, false};
}
constexpr Option RefusedSwitch(std::string_view name, std::string_view missing) {
  return {name, "", kRefused, std::monostate(), missing, true};
}

constexpr std::string_view kTls = "TLS is not there yet";
constexpr std::string_view kPeers = "clusters of several members are not there yet";
constexpr std::string_view kDiscovery = "discovery of members is not there yet";
constexpr std::string_view kAuth = "authentication is not there yet";
constexpr std::string_view kTuning = "this tuning knob is not there yet";
constexpr std::string_view kLogs = "this way of logging is not there yet";
constexpr std::string_view kTracing = "tracing is not there yet";
constexpr std::string_view kHttp = "this part of the HTTP surface is not there yet";
constexpr std::string_view kChecks = "background checks between members are not there yet";

constexpr auto kTable = std::to_array<Option>({
    {"name", kMember, kActive, &Settings::name, "Name of this member, for people."},
    {"data-dir", kMember, kActive, &Settings::data_dir, "Folder of the log and the store; \"<name>.etcd\" when empty."},
    {"listen-client-urls", kMember, kActive, &Settings::listen_client_urls,
     "Where clients are served, gRPC and HTTP/1.1 on one port; http://HOST:PORT or unix://PATH, comma-separated."},
    {"advertise-client-urls", kMember, kActive, &Settings::advertise_client_urls,
     "The client URLs that members and clients are told; needed when --listen-client-urls is given."},
    {"listen-peer-urls", kMember, kActive, &Settings::listen_peer_urls,
     "Where other members are served; a single node opens no such port."},
    {"listen-metrics-urls", kMember, kActive, &Settings::listen_metrics_urls,
     "Further listeners for /metrics, /health, /livez and /readyz alone."},
    {"heartbeat-interval", kMember, kActive, &Settings::heartbeat_interval, "Milliseconds between heartbeats."},
    {"election-timeout", kMember, kActive, &Settings::election_timeout,
     "Milliseconds without a leader before an election; at least five heartbeats, at most 50000."},
    {"initial-advertise-peer-urls", kClustering, kActive, &Settings::initial_advertise_peer_urls,
     "The peer URLs of this member when the cluster is made; the member id is derived from them."},
    {"initial-cluster", kClustering, kActive, &Settings::initial_cluster,
     "The members when the cluster is made, name=URL, comma-separated; one member so far."},
    {"initial-cluster-token", kClustering, kActive, &Settings::initial_cluster_token,
     "Distinguishes clusters made with the same URLs; part of the ids."},
    {"max-txn-ops", kLimits, kActive, &Settings::max_txn_ops, "Operations that a transaction may have."},
    {"max-request-bytes", kLimits, kActive, &Settings::max_request_bytes, "Size that a request may have."},
    {"grpc-keepalive-min-time", kLimits, kActive, &Settings::grpc_keepalive_min_time,
     "A client that pings more often than this is disconnected."},
    {"grpc-keepalive-interval", kLimits, kActive, &Settings::grpc_keepalive_interval,
     "How often the server pings an idle connection; 0 never."},
    {"grpc-keepalive-timeout", kLimits, kActive, &Settings::grpc_keepalive_timeout,
     "How long the server waits for the answer to its ping."},
    {"watch-progress-notify-interval", kLimits, kActive, &Settings::watch_progress_notify_interval,
     "How often idle watches that asked for it are told the revision; 0 is ten minutes, 100ms the least."},
    {"quota-backend-bytes", kLimits, kActive, &Settings::quota_backend_bytes,
     "Bytes of data and history that raise the NOSPACE alarm; 0 is 2 GiB, negative is no quota."},
    {"auto-compaction-mode", kLimits, kActive, &Settings::auto_compaction_mode,
     "What --auto-compaction-retention counts: periodic (time) or revision (revisions)."},
    {"auto-compaction-retention", kLimits, kActive, &Settings::auto_compaction_retention,
     "How much history automatic compaction keeps: 5m, 10h, 10 (hours), or a number of revisions; 0 turns it off."},
    {"unsafe-no-fsync", kOther, kActive, &Settings::unsafe_no_fsync,
     "For tests alone: do not wait for the disk. A power cut loses acknowledged writes."},
    {"log-level", kLogging, kActive, &Settings::log_level, "debug, info, warn, error, panic or fatal."},
    {"help", kOther, kActive, &Settings::help, "Print this text."},
    {"version", kOther, kActive, &Settings::version, "Print the version."},
    Refused("wal-dir", "a folder of its own for the log is not there yet"),
    Refused("listen-client-http-urls", "a client listener for HTTP alone is not there yet"),
    Refused("max-snapshots", kTuning),
    Refused("max-wals", kTuning),
    Refused("snapshot-count", kPeers),
    Refused("snapshot-catchup-entries", kPeers),
    RefusedSwitch("initial-election-tick-advance", kTuning),
    Refused("backend-bbolt-freelist-type", kTuning),
    Refused("backend-batch-interval", kTuning),
    Refused("backend-batch-limit", kTuning),
    RefusedSwitch("socket-reuse-port", kTuning),
    RefusedSwitch("socket-reuse-address", kTuning),
    Refused("max-concurrent-streams", kTuning),
    Refused("raft-read-timeout", kPeers),
    Refused("raft-write-timeout", kPeers),
    Refused("discovery", kDiscovery),
    Refused("discovery-proxy", kDiscovery),
    Refused("discovery-endpoints", kDiscovery),
    Refused("discovery-token", kDiscovery),
    Refused("discovery-dial-timeout", kDiscovery),
    Refused("discovery-request-timeout", kDiscovery),
    Refused("discovery-keepalive-time", kDiscovery),
    Refused("discovery-keepalive-timeout", kDiscovery),
    RefusedSwitch("discovery-insecure-transport", kDiscovery),
    RefusedSwitch("discovery-insecure-skip-tls-verify", kDiscovery),
    Refused("discovery-cert", kDiscovery),
    Refused("discovery-key", kDiscovery),
    Refused("discovery-cacert", kDiscovery),
    Refused("discovery-user", kDiscovery),
    Refused("discovery-password", kDiscovery),
    Refused("discovery-srv", kDiscovery),
    Refused("discovery-srv-name", kDiscovery),
    Refused("discovery-fallback", kDiscovery),
    RefusedSwitch("strict-reconfig-check", kPeers),
    RefusedSwitch("pre-vote", kPeers),
    Refused("cert-file", kTls),
    Refused("key-file", kTls),
    Refused("client-cert-file", kTls),
    Refused("client-key-file", kTls),
    RefusedSwitch("client-cert-auth", kTls),
    Refused("client-crl-file", kTls),
    Refused("client-cert-allowed-hostname", kTls),
    Refused("trusted-ca-file", kTls),
    RefusedSwitch("auto-tls", kTls),
    Refused("peer-cert-file", kTls),
    Refused("peer-key-file", kTls),
    Refused("peer-client-cert-file", kTls),
    Refused("peer-client-key-file", kTls),
    RefusedSwitch("peer-client-cert-auth", kTls),
    Refused("peer-trusted-ca-file", kTls),
    RefusedSwitch("peer-auto-tls", kTls),
    Refused("self-signed-cert-validity", kTls),
    Refused("peer-crl-file", kTls),
    Refused("peer-cert-allowed-cn", kTls),
    Refused("peer-cert-allowed-hostname", kTls),
    Refused("cipher-suites", kTls),
    RefusedSwitch("peer-skip-client-san-verification", kTls),
    Refused("tls-min-version", kTls),
    Refused("tls-max-version", kTls),
    Refused("cors", kHttp),
    Refused("host-whitelist", kHttp),
    Refused("logger", kLogs),
    Refused("log-outputs", kLogs),
    Refused("log-format", kLogs),
    RefusedSwitch("enable-log-rotation", kLogs),
    Refused("log-rotation-config-json", kLogs),
    RefusedSwitch("enable-pprof", kHttp),
    Refused("metrics", kHttp),
    RefusedSwitch("enable-distributed-tracing", kTracing),
    Refused("distributed-tracing-address", kTracing),
    Refused("distributed-tracing-service-name", kTracing),
    Refused("distributed-tracing-instance-id", kTracing),
    Refused("distributed-tracing-sampling-rate", kTracing),
    Refused("auth-token", kAuth),
    Refused("bcrypt-cost", kAuth),
    Refused("auth-token-ttl", kAuth),
    RefusedSwitch("enable-grpc-gateway", kHttp),
    Refused("corrupt-check-time", kChecks),
    Refused("compact-hash-check-time", kChecks),
    Refused("compaction-batch-limit", kTuning),
    Refused("compaction-sleep-interval", kTuning),
    Refused("downgrade-check-time", kPeers),
    Refused("warning-apply-duration", kLogs),
    Refused("warning-unary-request-duration", kLogs),
    RefusedSwitch("memory-mlock", kTuning),
    Refused("bootstrap-defrag-threshold-megabytes", kTuning),
    Refused("max-learners", kPeers),
    RefusedSwitch("force-new-cluster", "disaster recovery of a cluster is not there yet"),
    Refused("initial-cluster-state", kPeers),
    Refused("feature-gates", "feature gates are not there yet"),
    Refused("config-file", "configuration files are not there yet"),
    Refused("v2-deprecation", "the v2 store does not exist here"),
});

struct Formatter {
  const Settings& settings;
  std::string operator()(std::monostate) const { return ""; }
  std::string operator()(std::string Settings::*member) const { return settings.*member; }
  std::string operator()(bool Settings::*member) const { return settings.*member ? "true" : "false"; }
  std::string operator()(int64_t Settings::*member) const { return std::to_string(settings.*member); }
  std::string operator()(uint64_t Settings::*member) const { return std::to_string(settings.*member); }
  std::string operator()(std::chrono::milliseconds Settings::*member) const {
    return std::to_string((settings.*member).count());
  }
  std::string operator()(std::chrono::nanoseconds Settings::*member) const { return FormatDuration(settings.*member); }
  std::string operator()(std::vector<Url> Settings::*member) const { return JoinUrls(settings.*member); }
};

void AppendGroup(std::string_view group, const Settings& defaults, std::string& text) {
  text += "\n" + std::string(group) + ":\n";
  for (const Option& option : kTable) {
    if (option.group != group) continue;
    text += "  --" + std::string(option.name);
    if (!IsSwitch(option)) text += " '" + FormatValue(option, defaults) + "'";
    text += "\n    " + std::string(option.help) + "\n";
  }
}

}  // namespace

std::span<const Option> Options() { return kTable; }

const Option* FindOption(std::string_view name) {
  const auto found = std::find_if(kTable.begin(), kTable.end(), [&](const Option& o) { return o.name == name; });
  return found == kTable.end() ? nullptr : &*found;
}

bool IsSwitch(const Option& option) {
  return option.is_switch || std::holds_alternative<bool Settings::*>(option.target);
}

std::string FormatValue(const Option& option, const Settings& settings) {
  return std::visit(Formatter{settings}, option.target);
}

std::string EnvironmentName(const Option& option) {
  std::string name = "ETCD_";
  for (const char c : option.name) {
    name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

std::string HelpText() {
  const Settings defaults;
  std::string text =
      "Usage:\n"
      "  regent [flags]      start a server (also when started under the name etcd)\n"
      "  regent --version    print the version\n"
      "  regent --help       print this text\n"
      "\n"
      "Every flag can be given as a variable: --data-dir as ETCD_DATA_DIR. Both at once is an error.\n"
      "Lists are comma-separated; durations are written 300ms, 5s, 1h30m.\n";
  for (const std::string_view group : {kMember, kClustering, kLimits, kLogging, kOther}) {
    AppendGroup(group, defaults, text);
  }
  text += "\nKnown from etcd and refused, because what they ask for is not there yet:\n ";
  size_t column = 1;
  for (const Option& option : kTable) {
    if (option.support != kRefused) continue;
    if (column + option.name.size() + 3 > 110) {
      text += "\n ";
      column = 1;
    }
    text += " --" + std::string(option.name);
    column += option.name.size() + 3;
  }
  return text + "\n";
}

}  // namespace regent::server
