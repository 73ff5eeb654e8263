// What a server is started with, after flags, environment and defaults. A default stands here and nowhere else: help
// text and documents are derived from a default-constructed Settings and the options table.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "server/config/url.h"

namespace regent::server {

struct Settings {
  // Member
  std::string name = "default";
  std::string data_dir;  // empty: "<name>.etcd" in the working directory
  std::vector<Url> listen_client_urls = {Url::Tcp("http", "localhost", 2379)};
  std::vector<Url> advertise_client_urls = {Url::Tcp("http", "localhost", 2379)};
  std::vector<Url> listen_peer_urls = {Url::Tcp("http", "localhost", 2380)};
  std::vector<Url> listen_metrics_urls;
  std::chrono::milliseconds heartbeat_interval{100};
  std::chrono::milliseconds election_timeout{1000};

  // Clustering
  std::vector<Url> initial_advertise_peer_urls = {Url::Tcp("http", "localhost", 2380)};
  std::string initial_cluster;  // empty: "<name>=<initial_advertise_peer_urls>"
  std::string initial_cluster_token = "etcd-cluster";

  // Limits and timing
  uint64_t max_txn_ops = 128;
  uint64_t max_request_bytes = 1536 * 1024;
  std::chrono::nanoseconds grpc_keepalive_min_time = std::chrono::seconds(5);
  std::chrono::nanoseconds grpc_keepalive_interval = std::chrono::hours(2);
  std::chrono::nanoseconds grpc_keepalive_timeout = std::chrono::seconds(20);
  std::chrono::nanoseconds watch_progress_notify_interval{0};  // 0: ten minutes
  int64_t quota_backend_bytes = 0;                             // 0: 2 GiB; negative: none
  std::string auto_compaction_mode = "periodic";
  std::string auto_compaction_retention = "0";  // see auto_compaction.h

  // Logging
  std::string log_level = "info";

  bool unsafe_no_fsync = false;
  bool help = false;
  bool version = false;
};

}  // namespace regent::server
