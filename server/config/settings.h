// What a server is started with, after flags, environment, configuration file and defaults. A default stands here, or
// in the options table for a value that nobody reads, and nowhere else: help text and documents are derived from both.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "server/config/feature_gates.h"
#include "server/config/url.h"

namespace regent::server {

struct Settings {
  // Member
  std::string name = "default";
  std::string data_dir;  // empty: "<name>.etcd" in the working directory
  std::string wal_dir;   // empty: beside the store in the data folder
  std::vector<Url> listen_client_urls = {Url::Tcp("http", "localhost", 2379)};
  std::vector<Url> listen_client_http_urls;  // when given, listen_client_urls serve gRPC alone
  std::vector<Url> advertise_client_urls = {Url::Tcp("http", "localhost", 2379)};
  std::vector<Url> listen_peer_urls = {Url::Tcp("http", "localhost", 2380)};
  std::vector<Url> listen_metrics_urls;
  std::chrono::milliseconds heartbeat_interval{100};
  std::chrono::milliseconds election_timeout{1000};
  bool socket_reuse_port = false;
  bool socket_reuse_address = false;

  // Clustering
  std::vector<Url> initial_advertise_peer_urls = {Url::Tcp("http", "localhost", 2380)};
  std::string initial_cluster = "default=http://localhost:2380";  // with another name: see InitialCluster
  std::string initial_cluster_state = "new";
  std::string initial_cluster_token = "etcd-cluster";
  bool pre_vote = true;
  bool strict_reconfig_check = true;
  int64_t max_learners = 1;
  bool force_new_cluster = false;

  // Security between members
  std::string peer_cert_file;
  std::string peer_key_file;
  std::string peer_client_cert_file;  // shown to members that this one dials; empty: peer_cert_file
  std::string peer_client_key_file;
  std::string peer_trusted_ca_file;
  bool peer_client_cert_auth = false;
  std::vector<std::string> peer_cert_allowed_cn;
  std::vector<std::string> peer_cert_allowed_hostname;
  bool peer_skip_client_san_verification = false;
  bool peer_auto_tls = false;              // without effect when there is a certificate
  uint64_t self_signed_cert_validity = 1;  // years

  // Limits and timing
  uint64_t max_txn_ops = 128;
  uint64_t max_request_bytes = 1536 * 1024;
  uint32_t max_concurrent_streams = UINT32_MAX;
  std::chrono::nanoseconds grpc_keepalive_min_time = std::chrono::seconds(5);
  std::chrono::nanoseconds grpc_keepalive_interval = std::chrono::hours(2);
  std::chrono::nanoseconds grpc_keepalive_timeout = std::chrono::seconds(20);
  std::chrono::nanoseconds watch_progress_notify_interval{0};  // 0: ten minutes
  std::chrono::nanoseconds compact_hash_check_time = std::chrono::minutes(1);
  uint64_t snapshot_count = 10'000;                       // 0: the same
  uint64_t snapshot_catchup_entries = 5'000;              // 0: the same
  int64_t compaction_batch_limit = 0;                     // 0: the node's own
  std::chrono::nanoseconds compaction_sleep_interval{0};  // 0: the node's own
  FeatureGates feature_gates;
  int64_t quota_backend_bytes = 0;  // 0: 2 GiB; negative: none
  std::string auto_compaction_mode = "periodic";
  std::string auto_compaction_retention = "0";  // see auto_compaction.h

  // HTTP
  bool enable_grpc_gateway = true;
  std::vector<std::string> cors = {"*"};
  std::vector<std::string> host_whitelist = {"*"};

  // Logging and monitoring
  std::string logger = "zap";
  std::string log_level = "info";
  std::string log_format = "json";
  std::vector<std::string> log_outputs = {"default"};
  bool enable_log_rotation = false;
  std::string log_rotation_config_json =
      R"({"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false})";
  std::string metrics = "basic";
  std::chrono::nanoseconds warning_apply_duration = std::chrono::milliseconds(100);
  std::chrono::nanoseconds warning_unary_request_duration = std::chrono::milliseconds(300);

  bool unsafe_no_fsync = false;

  std::string config_file;
  bool version = false;

  std::vector<std::string> command_line;  // as the process was started
};

// The members that the settings name for a new cluster, "name=URL,…": initial_cluster, or, as etcd does it, this member
// alone when that has its default and the name has not.
std::string InitialCluster(const Settings& settings);

}  // namespace regent::server
