#include "server/config/options.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace regent::server {
namespace {

using Support = Option::Support;
constexpr auto kActive = Support::kActive;
constexpr auto kNotActive = Support::kNotActive;
constexpr auto kRefused = Support::kRefused;

constexpr std::string_view kMember = "Member";
constexpr std::string_view kClustering = "Clustering";
constexpr std::string_view kSecurity = "Security";
constexpr std::string_view kAuthentication = "Auth";
constexpr std::string_view kMonitoring = "Profiling and Monitoring";
constexpr std::string_view kLogging = "Logging";
constexpr std::string_view kTracing = "Distributed tracing";
constexpr std::string_view kFeatures = "Features";
constexpr std::string_view kUnsafe = "Unsafe feature";
constexpr std::string_view kOther = "Other";

constexpr Unread kText{};
constexpr Unread kOff{Form::kSwitch, "false"};
constexpr Unread kOn{Form::kSwitch, "true"};
constexpr Unread Number(std::string_view by_default) { return {Form::kUnsigned, by_default}; }
constexpr Unread Time(std::string_view by_default) { return {Form::kDuration, by_default}; }

constexpr std::string_view kNoTls = "TLS is not there yet";
constexpr std::string_view kNoDiscovery = "discovery of members is not there yet";
constexpr std::string_view kNoAuth = "authentication is not there yet";
constexpr std::string_view kOwnLimits = "connections between members have limits of their own";
constexpr std::string_view kNoComparison = "members do not compare their stores yet";
constexpr std::string_view kNoTracing = "distributed tracing is not there yet";
constexpr std::string_view kOtherStore = "the store is not bbolt; it gathers what one turn of the apply loop has";
constexpr std::string_view kOtherLog = "the log frees its own segments once the store has flushed what they hold";

constexpr auto kTable = std::to_array<Option>({
    {"name", kMember, kActive, &Settings::name, "Name of this member, for people."},
    {"data-dir", kMember, kActive, &Settings::data_dir, "Folder of the log and the store; \"<name>.etcd\" when empty."},
    {"wal-dir", kMember, kActive, &Settings::wal_dir, "Folder of the log alone; beside the store when empty."},
    {"snapshot-count", kMember, kActive, &Settings::snapshot_count,
     "Applied entries after which the store is flushed, which frees the log and bounds what a restart repeats; looked "
     "at every five seconds. At the default, as at 0, the store's own measure alone counts: a full table or a minute."},
    {"heartbeat-interval", kMember, kActive, &Settings::heartbeat_interval, "Milliseconds between heartbeats."},
    {"election-timeout", kMember, kActive, &Settings::election_timeout,
     "Milliseconds without a leader before an election; at least five heartbeats, at most 50000."},
    {"initial-election-tick-advance", kMember, kNotActive, kOn, "Whether the first election comes early.",
     "a node alone elects itself at once"},
    {"listen-peer-urls", kMember, kActive, &Settings::listen_peer_urls, "Where other members are served."},
    {"listen-client-urls", kMember, kActive, &Settings::listen_client_urls,
     "Where clients are served, gRPC and HTTP/1.1 on one port; http://HOST:PORT or unix://PATH, comma-separated."},
    {"listen-client-http-urls", kMember, kActive, &Settings::listen_client_http_urls,
     "Where clients are served HTTP/1.1 alone; --listen-client-urls then serve gRPC alone."},
    {"max-snapshots", kMember, kNotActive, Number("5"), "Snapshot files that etcd keeps.", kOtherLog},
    {"max-wals", kMember, kNotActive, Number("5"), "Log files that etcd keeps.", kOtherLog},
    {"memory-mlock", kMember, kNotActive, kOff, "Whether etcd's pages stay in memory.",
     "what the store has in memory is bounded by its cache; turn swap off instead"},
    {"backend-bbolt-freelist-type", kMember, kNotActive, Unread{Form::kText, "map"}, "How bbolt lists its free pages.",
     kOtherStore},
    {"backend-batch-interval", kMember, kNotActive, Time("0s"), "How long bbolt gathers a batch.", kOtherStore},
    {"backend-batch-limit", kMember, kNotActive, Unread{Form::kSigned, "0"}, "How large bbolt's batches are.",
     kOtherStore},
    {"quota-backend-bytes", kMember, kActive, &Settings::quota_backend_bytes,
     "Bytes of data and history that raise the NOSPACE alarm; 0 is 2 GiB, negative is no quota."},
    {"max-txn-ops", kMember, kActive, &Settings::max_txn_ops, "Operations that a transaction may have."},
    {"max-request-bytes", kMember, kActive, &Settings::max_request_bytes, "Size that a request may have."},
    {"max-concurrent-streams", kMember, kActive, &Settings::max_concurrent_streams,
     "Streams that one connection may have open at a time."},
    {"grpc-keepalive-min-time", kMember, kActive, &Settings::grpc_keepalive_min_time,
     "A client that pings more often than this is disconnected."},
    {"grpc-keepalive-interval", kMember, kActive, &Settings::grpc_keepalive_interval,
     "How often the server pings an idle connection; 0 never."},
    {"grpc-keepalive-timeout", kMember, kActive, &Settings::grpc_keepalive_timeout,
     "How long the server waits for the answer to its ping."},
    {"socket-reuse-port", kMember, kActive, &Settings::socket_reuse_port,
     "Whether listeners set SO_REUSEPORT: several processes on one port."},
    {"socket-reuse-address", kMember, kActive, &Settings::socket_reuse_address,
     "Whether listeners set SO_REUSEADDR; they do so in any case."},
    {"enable-grpc-gateway", kMember, kActive, &Settings::enable_grpc_gateway,
     "Whether requests in JSON are answered under /v3/kv."},
    {"raft-read-timeout", kMember, kNotActive, Time("5s"), "How long a read from another member may take.", kOwnLimits},
    {"raft-write-timeout", kMember, kNotActive, Time("5s"), "How long a write to another member may take.", kOwnLimits},
    {"feature-gates", kMember, kActive, &Settings::feature_gates,
     "Switches of etcd's experimental features, NAME=true|false, comma-separated."},

    {"initial-advertise-peer-urls", kClustering, kActive, &Settings::initial_advertise_peer_urls,
     "The peer URLs of this member when the cluster is made; the member id is derived from them."},
    {"initial-cluster", kClustering, kActive, &Settings::initial_cluster,
     "The members when the cluster is made, name=URL, comma-separated."},
    {"initial-cluster-state", kClustering, kActive, &Settings::initial_cluster_state,
     "Whether the cluster is made (new) or joined (existing); of no effect once there is data.", "", "new,existing"},
    {"initial-cluster-token", kClustering, kActive, &Settings::initial_cluster_token,
     "Distinguishes clusters made with the same URLs; part of the ids."},
    {"advertise-client-urls", kClustering, kActive, &Settings::advertise_client_urls,
     "The client URLs that members and clients are told; needed when --listen-client-urls is given."},
    {"discovery-token", kClustering, kRefused, kText, "Token of the cluster at the discovery service.", kNoDiscovery},
    {"discovery-endpoints", kClustering, kRefused, kText, "Endpoints of the discovery service.", kNoDiscovery},
    {"discovery-dial-timeout", kClustering, kRefused, Time("2s"), "How long connecting to it may take.", kNoDiscovery},
    {"discovery-request-timeout", kClustering, kRefused, Time("5s"), "How long a request to it may take.",
     kNoDiscovery},
    {"discovery-keepalive-time", kClustering, kRefused, Time("2s"), "How often it is pinged.", kNoDiscovery},
    {"discovery-keepalive-timeout", kClustering, kRefused, Time("6s"), "How long its answer may take.", kNoDiscovery},
    {"discovery-insecure-transport", kClustering, kRefused, kOn, "Whether it is asked without TLS.", kNoDiscovery},
    {"discovery-insecure-skip-tls-verify", kClustering, kRefused, kOff, "Whether its certificate is not checked.",
     kNoDiscovery},
    {"discovery-cert", kClustering, kRefused, kText, "Certificate to show to it.", kNoDiscovery},
    {"discovery-key", kClustering, kRefused, kText, "Key of that certificate.", kNoDiscovery},
    {"discovery-cacert", kClustering, kRefused, kText, "Authorities that may sign its certificate.", kNoDiscovery},
    {"discovery-user", kClustering, kRefused, kText, "User to be at it.", kNoDiscovery},
    {"discovery-password", kClustering, kRefused, kText, "Password of that user.", kNoDiscovery},
    {"discovery-fallback", kClustering, kRefused, Unread{Form::kText, "exit"}, "What happens when discovery fails.",
     "v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\"", "exit,proxy"},
    {"discovery-srv", kClustering, kRefused, kText, "Domain whose SRV records name the members.", kNoDiscovery},
    {"discovery-srv-name", kClustering, kRefused, kText, "Suffix of the service's name there.", kNoDiscovery},
    {"strict-reconfig-check", kClustering, kActive, &Settings::strict_reconfig_check,
     "Whether a change of members that would lose the quorum is refused."},
    {"pre-vote", kClustering, kActive, &Settings::pre_vote,
     "Whether a member asks before it campaigns, so that one that comes back disturbs nobody."},
    {"auto-compaction-mode", kClustering, kActive, &Settings::auto_compaction_mode,
     "What --auto-compaction-retention counts: periodic (time) or revision (revisions)."},
    {"auto-compaction-retention", kClustering, kActive, &Settings::auto_compaction_retention,
     "How much history automatic compaction keeps: 5m, 10h, 10 (hours), or a number of revisions; 0 turns it off."},
    {"v2-deprecation", kClustering, kNotActive, Unread{Form::kText, ""}, "Phase of the removal of etcd's v2 store.",
     "there is no v2 store", "write-only,write-only-skip-check,write-only-drop-data,gone"},

    {"cert-file", kSecurity, kRefused, kText, "Certificate that clients are shown.", kNoTls},
    {"key-file", kSecurity, kRefused, kText, "Key of that certificate.", kNoTls},
    {"client-cert-auth", kSecurity, kRefused, kOff, "Whether clients must have a certificate.", kNoTls},
    {"client-cert-file", kSecurity, kRefused, kText, "Certificate to show as a client.", kNoTls},
    {"client-key-file", kSecurity, kRefused, kText, "Key of that certificate.", kNoTls},
    {"client-crl-file", kSecurity, kRefused, kText, "Revoked certificates of clients.", kNoTls},
    {"client-cert-allowed-hostname", kSecurity, kRefused, kText, "Hosts that certificates of clients may name.",
     kNoTls},
    {"trusted-ca-file", kSecurity, kRefused, kText, "Authorities that may sign certificates of clients.", kNoTls},
    {"auto-tls", kSecurity, kRefused, kOff, "Whether a certificate for clients is made.", kNoTls},
    {"peer-cert-file", kSecurity, kActive, &Settings::peer_cert_file, "Certificate that other members are shown."},
    {"peer-key-file", kSecurity, kActive, &Settings::peer_key_file, "Key of that certificate."},
    {"peer-client-cert-auth", kSecurity, kActive, &Settings::peer_client_cert_auth,
     "Whether other members must have a certificate."},
    {"peer-client-cert-file", kSecurity, kActive, &Settings::peer_client_cert_file,
     "Certificate to show as a client of other members."},
    {"peer-client-key-file", kSecurity, kActive, &Settings::peer_client_key_file, "Key of that certificate."},
    {"peer-trusted-ca-file", kSecurity, kActive, &Settings::peer_trusted_ca_file,
     "Authorities that may sign certificates of members."},
    {"peer-cert-allowed-cn", kSecurity, kActive, &Settings::peer_cert_allowed_cn,
     "Common names that certificates of members may have."},
    {"peer-cert-allowed-hostname", kSecurity, kActive, &Settings::peer_cert_allowed_hostname,
     "Hosts that certificates of members may name."},
    {"peer-auto-tls", kSecurity, kActive, &Settings::peer_auto_tls,
     "Whether a certificate for members is made, in fixtures/peer of the data folder, and nobody's is checked; not "
     "with "
     "--peer-cert-file."},
    {"self-signed-cert-validity", kSecurity, kActive, &Settings::self_signed_cert_validity,
     "Years that such a certificate is valid, 1 to 1000."},
    {"peer-crl-file", kSecurity, kRefused, kText, "Revoked certificates of members.", kNoTls},
    {"peer-skip-client-san-verification", kSecurity, kActive, &Settings::peer_skip_client_san_verification,
     "Whether the host in certificates of members is not checked."},
    {"cipher-suites", kSecurity, kRefused, kText, "Cipher suites of TLS.", kNoTls},
    {"tls-min-version", kSecurity, kRefused, Unread{Form::kText, "TLS1.2"}, "Oldest version of TLS.", kNoTls},
    {"tls-max-version", kSecurity, kRefused, kText, "Newest version of TLS.", kNoTls},
    {"cors", kSecurity, kActive, &Settings::cors, "Origins whose pages may ask over HTTP; * for all."},
    {"host-whitelist", kSecurity, kActive, &Settings::host_whitelist,
     "Hosts that HTTP requests without TLS may name in their Host header; * for all."},

    {"auth-token", kAuthentication, kRefused, Unread{Form::kText, "simple"}, "Kind of the tokens of users.",
     "other tokens than \"simple\" are not there yet"},
    {"bcrypt-cost", kAuthentication, kNotActive, Number("10"), "Cost of hashing a password.", kNoAuth},
    {"auth-token-ttl", kAuthentication, kNotActive, Number("300"), "Seconds that a token is valid.", kNoAuth},

    {"enable-pprof", kMonitoring, kNotActive, kOff, "Whether Go's profiles are served.",
     "this is no Go program; profile it with perf"},
    {"metrics", kMonitoring, kActive, &Settings::metrics,
     "\"extensive\" adds a histogram of how long RPCs take; anything else is basic."},
    {"listen-metrics-urls", kMonitoring, kActive, &Settings::listen_metrics_urls,
     "Further listeners for /metrics, /health, /livez and /readyz alone."},

    {"logger", kLogging, kActive, &Settings::logger, "Only \"zap\": structured lines."},
    {"log-outputs", kLogging, kActive, &Settings::log_outputs,
     "default, stderr, stdout, systemd/journal (as stderr) or paths of files, comma-separated."},
    {"log-level", kLogging, kActive, &Settings::log_level, "debug, info, warn, error, panic or fatal."},
    {"log-format", kLogging, kActive, &Settings::log_format, "json or console."},
    {"enable-log-rotation", kLogging, kActive, &Settings::enable_log_rotation,
     "Whether the one file among --log-outputs is moved away when it is large."},
    {"log-rotation-config-json", kLogging, kActive, &Settings::log_rotation_config_json,
     "When and how: megabytes, days and number of files kept (0: no limit), times in their names, compression."},
    {"warning-unary-request-duration", kLogging, kActive, &Settings::warning_unary_request_duration,
     "A request that takes longer is logged."},

    {"enable-distributed-tracing", kTracing, kRefused, kOff, "Whether spans are sent to a collector.", kNoTracing},
    {"distributed-tracing-address", kTracing, kNotActive, Unread{Form::kText, "localhost:4317"}, "The collector.",
     kNoTracing},
    {"distributed-tracing-service-name", kTracing, kNotActive, Unread{Form::kText, "etcd"}, "Name of the service.",
     kNoTracing},
    {"distributed-tracing-instance-id", kTracing, kNotActive, kText, "Name of this instance.", kNoTracing},
    {"distributed-tracing-sampling-rate", kTracing, kNotActive, Unread{Form::kSigned, "0"},
     "Spans of a million that are sent.", kNoTracing},

    {"corrupt-check-time", kFeatures, kNotActive, Time("0s"), "How often members compare their stores.", kNoComparison},
    {"compact-hash-check-time", kFeatures, kNotActive, &Settings::compact_hash_check_time,
     "How often the leader compares the hashes of compactions.", kNoComparison},
    {"compaction-batch-limit", kFeatures, kActive, &Settings::compaction_batch_limit,
     "Revisions that a slice of a compaction removes; 0 for the node's own measure."},
    {"compaction-sleep-interval", kFeatures, kActive, &Settings::compaction_sleep_interval,
     "Pause between such slices; 0 for the node's own measure."},
    {"watch-progress-notify-interval", kFeatures, kActive, &Settings::watch_progress_notify_interval,
     "How often idle watches that asked for it are told the revision; 0 is ten minutes, 100ms the least."},
    {"warning-apply-duration", kFeatures, kActive, &Settings::warning_apply_duration,
     "An entry whose apply takes longer is logged."},
    {"bootstrap-defrag-threshold-megabytes", kFeatures, kNotActive, Number("0"),
     "What a defragmentation at the start must free for etcd to do it.", "the store frees its space by itself"},
    {"max-learners", kFeatures, kActive, &Settings::max_learners, "Learners that a cluster may have."},
    {"downgrade-check-time", kFeatures, kNotActive, Time("5s"), "How often the state of a downgrade is looked at.",
     "downgrades are not there yet"},
    {"snapshot-catchup-entries", kFeatures, kActive, &Settings::snapshot_catchup_entries,
     "Applied entries that stay in the log for members that are behind, while it has no more than 1 GiB; whoever needs "
     "older ones gets a snapshot. A member alone keeps none. 0 is the default."},

    {"force-new-cluster", kUnsafe, kActive, &Settings::force_new_cluster,
     "Make a cluster of this member alone from its data, when the others are lost for ever; they and the learners are "
     "removed for good. Remove the flag after the start."},
    {"unsafe-no-fsync", kUnsafe, kActive, &Settings::unsafe_no_fsync,
     "For tests alone: do not wait for the disk. A power cut loses acknowledged writes."},
    {"config-file", kOther, kActive, &Settings::config_file,
     "YAML or JSON file with the flags' names as keys; all other flags and variables are then ignored. Durations are "
     "nanoseconds there."},
    {"version", kOther, kActive, &Settings::version, "Print the version."},
});

}  // namespace

std::span<const Option> Options() { return kTable; }

const Option* FindOption(std::string_view name) {
  const auto found = std::find_if(kTable.begin(), kTable.end(), [&](const Option& o) { return o.name == name; });
  return found == kTable.end() ? nullptr : &*found;
}

bool IsSwitch(const Option& option) {
  const auto* unread = std::get_if<Unread>(&option.target);
  return (unread != nullptr && unread->form == Form::kSwitch) ||
         std::holds_alternative<bool Settings::*>(option.target);
}

std::string EnvironmentName(std::string_view name) {
  std::string variable = "ETCD_";
  for (const char c : name) {
    variable += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return variable;
}

}  // namespace regent::server
