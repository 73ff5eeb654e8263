// Every metric of the server: its name, help and kind stand here and nowhere else. Names, labels and buckets are
// etcd's, so that its alerts and dashboards keep working; a member is called like its metric without "etcd_".
//
// One Metrics is made by the composition root and passed by reference; the owner of a fact updates its metric.
// Example: `metrics.disk_wal_fsync_duration_seconds.Observe(seconds)`, `metrics.server_has_leader.Set(1)`.
//
// Some names end in _total and are gauges: etcd has them so.
#pragma once

#include "server/runtime/metrics_registry.h"

namespace regent::server {

struct Metrics {
  static constexpr Buckets kFromOneMillisecond{0.001, 2, 14};
  static constexpr Buckets kFromTenthOfMillisecond{0.0001, 2, 20};

  Metrics();  // every metric at zero
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  MetricsRegistry registry;

  // ---- the member and its cluster ----------------------------------------------------------------------------------
  Family<Gauge> cluster_version{registry,
                                "etcd_cluster_version",
                                "1 for the cluster version in effect, named by the label.",
                                {"cluster_version"}};
  Family<Gauge> server_version{
      registry, "etcd_server_version", "1 for the running version, named by the label.", {"server_version"}};
  Family<Gauge> server_id{
      registry, "etcd_server_id", "1 for the member's id in hexadecimal, named by the label.", {"server_id"}};
  Family<Gauge> server_feature_enabled{
      registry, "etcd_server_feature_enabled", "Whether a feature gate is on (1) or off (0).", {"name", "stage"}};
  Single<Gauge> server_has_leader{registry, "etcd_server_has_leader", "1 if the member knows a leader, 0 if not."};
  Single<Gauge> server_is_leader{registry, "etcd_server_is_leader", "1 if the member is the leader, 0 if not."};
  Single<Gauge> server_is_learner{registry, "etcd_server_is_learner", "1 if the member is a learner, 0 if not."};
  Single<Counter> server_leader_changes_seen_total{registry, "etcd_server_leader_changes_seen_total",
                                                   "Changes of leader that the member has seen."};
  Single<Counter> server_heartbeat_send_failures_total{
      registry, "etcd_server_heartbeat_send_failures_total",
      "Heartbeats that the leader sent late, probably because of a slow disk."};
  Family<Counter> server_learner_promote_failures{registry,
                                                  "etcd_server_learner_promote_failures",
                                                  "Failed promotions of learners while this member leads.",
                                                  {"Reason"}};
  Single<Counter> server_learner_promote_successes{registry, "etcd_server_learner_promote_successes",
                                                   "Promotions of learners while this member leads."};

  // ---- proposals, apply and reads ----------------------------------------------------------------------------------
  Single<Gauge> server_proposals_committed_total{registry, "etcd_server_proposals_committed_total",
                                                 "The index of the last committed entry."};
  Single<Gauge> server_proposals_applied_total{registry, "etcd_server_proposals_applied_total",
                                               "The index of the last applied entry."};
  Single<Gauge> server_proposals_pending{registry, "etcd_server_proposals_pending",
                                         "Proposals that wait for their result."};
  Single<Counter> server_proposals_failed_total{registry, "etcd_server_proposals_failed_total",
                                                "Proposals that failed."};
  Single<Counter> server_slow_apply_total{registry, "etcd_server_slow_apply_total",
                                          "Entries whose apply took too long, probably because of a slow disk."};
  Single<Counter> server_slow_read_indexes_total{registry, "etcd_server_slow_read_indexes_total",
                                                 "Read indexes that were late or timed out."};
  Single<Counter> server_read_indexes_failed_total{registry, "etcd_server_read_indexes_failed_total",
                                                   "Read indexes that failed."};
  Single<Gauge> server_snapshot_apply_in_progress_total{registry, "etcd_server_snapshot_apply_in_progress_total",
                                                        "1 while a received snapshot is being installed, 0 otherwise."};
  Single<Gauge> server_quota_backend_bytes{registry, "etcd_server_quota_backend_bytes", "The store's quota in bytes."};
  Family<Histogram> server_apply_duration_seconds{registry,
                                                  "etcd_server_apply_duration_seconds",
                                                  "How long the apply of a request took.",
                                                  {"op", "success", "version"},
                                                  kFromTenthOfMillisecond};
  Family<Histogram> server_range_duration_seconds{registry,
                                                  "etcd_server_range_duration_seconds",
                                                  "How long the reading of a range took.",
                                                  {"success"},
                                                  kFromTenthOfMillisecond};
  Family<Histogram> server_request_duration_seconds{registry,
                                                    "etcd_server_request_duration_seconds",
                                                    "How long a request took in the server, from start to result.",
                                                    {"success", "type"},
                                                    kFromOneMillisecond};
  Family<Counter> server_client_requests_total{registry,
                                               "etcd_server_client_requests_total",
                                               "Requests of clients, by the version that they say they have.",
                                               {"client_api_version", "type"}};

  // ---- health ------------------------------------------------------------------------------------------------------
  Single<Counter> server_health_success{registry, "etcd_server_health_success", "Passed checks of /health."};
  Single<Counter> server_health_failures{registry, "etcd_server_health_failures", "Failed checks of /health."};
  Family<Gauge> server_healthcheck{
      registry, "etcd_server_healthcheck", "The last result of a health check.", {"name", "type"}};
  Family<Counter> server_healthchecks_total{
      registry, "etcd_server_healthchecks_total", "Health checks done.", {"name", "status", "type"}};

  // ---- the store ---------------------------------------------------------------------------------------------------
  Single<Counter> mvcc_put_total{registry, "etcd_mvcc_put_total", "Puts seen by this member."};
  Single<Counter> mvcc_delete_total{registry, "etcd_mvcc_delete_total", "Deletes seen by this member."};
  Single<Counter> mvcc_range_total{registry, "etcd_mvcc_range_total", "Ranges seen by this member."};
  Single<Counter> mvcc_txn_total{registry, "etcd_mvcc_txn_total", "Transactions seen by this member."};
  Single<Gauge> mvcc_db_total_size_in_bytes{registry, "etcd_mvcc_db_total_size_in_bytes",
                                            "Bytes that the store occupies on disk."};
  Single<Gauge> mvcc_db_total_size_in_use_in_bytes{registry, "etcd_mvcc_db_total_size_in_use_in_bytes",
                                                   "Bytes of the store that hold data."};
  Single<Gauge> mvcc_db_open_read_transactions{registry, "etcd_mvcc_db_open_read_transactions",
                                               "Open views of the store."};
  Single<Histogram> mvcc_hash_duration_seconds{registry, "etcd_mvcc_hash_duration_seconds",
                                               "How long hashing the store took.", Buckets{0.01, 2, 15}};
  Single<Histogram> mvcc_hash_rev_duration_seconds{registry, "etcd_mvcc_hash_rev_duration_seconds",
                                                   "How long hashing the store at a revision took.",
                                                   Buckets{0.01, 2, 15}};
  Single<Gauge> debugging_mvcc_keys_total{registry, "etcd_debugging_mvcc_keys_total", "Keys."};
  Single<Gauge> debugging_mvcc_current_revision{registry, "etcd_debugging_mvcc_current_revision",
                                                "The store's revision."};
  Single<Gauge> debugging_mvcc_compact_revision{registry, "etcd_debugging_mvcc_compact_revision",
                                                "The revision of the last compaction; -1 before the first."};
  Single<Gauge> debugging_mvcc_total_put_size_in_bytes{registry, "etcd_debugging_mvcc_total_put_size_in_bytes",
                                                       "Bytes of keys and values put."};
  Single<Counter> debugging_mvcc_db_compaction_keys_total{registry, "etcd_debugging_mvcc_db_compaction_keys_total",
                                                          "Versions removed by compactions."};
  Single<Gauge> debugging_mvcc_db_compaction_last{registry, "etcd_debugging_mvcc_db_compaction_last",
                                                  "When the last compaction ended (Unix time); 0 after a start."};
  Single<Histogram> debugging_mvcc_db_compaction_pause_duration_milliseconds{
      registry, "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
      "How long a step of a compaction kept others waiting.", Buckets{1, 2, 13}};
  Single<Histogram> debugging_mvcc_db_compaction_total_duration_milliseconds{
      registry, "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds", "How long a compaction took.",
      Buckets{100, 2, 14}};
  Single<Histogram> debugging_mvcc_index_compaction_pause_duration_milliseconds{
      registry, "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
      "How long the compaction of the index kept others waiting.", Buckets{0.5, 2, 14}};

  // ---- watches and leases ------------------------------------------------------------------------------------------
  Single<Counter> debugging_mvcc_events_total{registry, "etcd_debugging_mvcc_events_total", "Events sent to watchers."};
  Single<Gauge> debugging_mvcc_pending_events_total{registry, "etcd_debugging_mvcc_pending_events_total",
                                                    "Events that wait to be sent."};
  Single<Gauge> debugging_mvcc_slow_watcher_total{registry, "etcd_debugging_mvcc_slow_watcher_total",
                                                  "Watchers that are behind."};
  Single<Gauge> debugging_mvcc_watch_stream_total{registry, "etcd_debugging_mvcc_watch_stream_total", "Watch streams."};
  Single<Gauge> debugging_mvcc_watcher_total{registry, "etcd_debugging_mvcc_watcher_total", "Watchers."};
  Single<Histogram> debugging_server_watch_send_loop_watch_stream_duration_seconds{
      registry, "etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds",
      "How long sending the events of one response took.", kFromOneMillisecond};
  Single<Histogram> debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds{
      registry, "etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds",
      "The same, divided by the number of events.", kFromOneMillisecond};
  Single<Histogram> debugging_server_watch_send_loop_control_stream_duration_seconds{
      registry, "etcd_debugging_server_watch_send_loop_control_stream_duration_seconds",
      "How long sending a created or cancelled response took.", kFromOneMillisecond};
  Single<Histogram> debugging_server_watch_send_loop_progress_duration_seconds{
      registry, "etcd_debugging_server_watch_send_loop_progress_duration_seconds",
      "How long sending a progress response took.", kFromOneMillisecond};
  Single<Counter> debugging_lease_granted_total{registry, "etcd_debugging_lease_granted_total", "Leases granted."};
  Single<Counter> debugging_lease_renewed_total{registry, "etcd_debugging_lease_renewed_total",
                                                "Renewals of leases seen by the leader."};
  Single<Counter> debugging_lease_revoked_total{registry, "etcd_debugging_lease_revoked_total", "Leases revoked."};
  Single<Histogram> debugging_lease_ttl_total{registry, "etcd_debugging_lease_ttl_total",
                                              "The time to live of granted leases in seconds.", Buckets{1, 2, 24}};
  Single<Counter> debugging_server_lease_expired_total{registry, "etcd_debugging_server_lease_expired_total",
                                                       "Leases expired."};

  // ---- auth and alarms ---------------------------------------------------------------------------------------------
  Single<Gauge> debugging_auth_revision{registry, "etcd_debugging_auth_revision", "The revision of the auth store."};
  Family<Gauge> debugging_server_alarms{
      registry, "etcd_debugging_server_alarms", "Alarms raised, by member and type.", {"alarm_type", "server_id"}};

  // ---- the disk ----------------------------------------------------------------------------------------------------
  Single<Histogram> disk_wal_fsync_duration_seconds{registry, "etcd_disk_wal_fsync_duration_seconds",
                                                    "How long a sync of the log took.", kFromOneMillisecond};
  Single<Histogram> disk_wal_write_duration_seconds{registry, "etcd_disk_wal_write_duration_seconds",
                                                    "How long a write to the log took.", kFromOneMillisecond};
  Single<Gauge> disk_wal_write_bytes_total{registry, "etcd_disk_wal_write_bytes_total", "Bytes written to the log."};
  Single<Histogram> disk_backend_commit_duration_seconds{registry, "etcd_disk_backend_commit_duration_seconds",
                                                         "How long the commit of a batch to the store took.",
                                                         kFromOneMillisecond};
  Single<Histogram> debugging_disk_backend_commit_rebalance_duration_seconds{
      registry, "etcd_debugging_disk_backend_commit_rebalance_duration_seconds",
      "Of a commit, the part that rebalances pages; this store has none.", kFromOneMillisecond};
  Single<Histogram> debugging_disk_backend_commit_spill_duration_seconds{
      registry, "etcd_debugging_disk_backend_commit_spill_duration_seconds",
      "Of a commit, the part that spills pages; this store has none.", kFromOneMillisecond};
  Single<Histogram> debugging_disk_backend_commit_write_duration_seconds{
      registry, "etcd_debugging_disk_backend_commit_write_duration_seconds", "Of a commit, the part that writes.",
      kFromOneMillisecond};
  Single<Histogram> disk_backend_snapshot_duration_seconds{registry, "etcd_disk_backend_snapshot_duration_seconds",
                                                           "How long a backup of the store took.",
                                                           Buckets{0.01, 2, 17}};
  Single<Histogram> disk_backend_defrag_duration_seconds{registry, "etcd_disk_backend_defrag_duration_seconds",
                                                         "How long a defragmentation took.", Buckets{0.1, 2, 13}};
  Single<Gauge> disk_defrag_inflight{registry, "etcd_disk_defrag_inflight",
                                     "1 while a defragmentation runs, 0 otherwise."};
  Single<Histogram> snap_fsync_duration_seconds{registry, "etcd_snap_fsync_duration_seconds",
                                                "How long a sync of a snapshot took.", kFromOneMillisecond};
  Single<Histogram> snap_db_fsync_duration_seconds{registry, "etcd_snap_db_fsync_duration_seconds",
                                                   "How long a sync of a received snapshot took.", kFromOneMillisecond};
  Single<Histogram> snap_db_save_total_duration_seconds{registry, "etcd_snap_db_save_total_duration_seconds",
                                                        "How long saving a received snapshot took.",
                                                        Buckets{0.1, 2, 10}};
  Single<Histogram> debugging_snap_save_marshalling_duration_seconds{
      registry, "etcd_debugging_snap_save_marshalling_duration_seconds", "How long encoding a snapshot took.",
      kFromOneMillisecond};
  Single<Histogram> debugging_snap_save_total_duration_seconds{registry,
                                                               "etcd_debugging_snap_save_total_duration_seconds",
                                                               "How long saving a snapshot took.", kFromOneMillisecond};

  // ---- the network -------------------------------------------------------------------------------------------------
  Single<Counter> network_client_grpc_sent_bytes_total{registry, "etcd_network_client_grpc_sent_bytes_total",
                                                       "Bytes of messages sent to clients."};
  Single<Counter> network_client_grpc_received_bytes_total{registry, "etcd_network_client_grpc_received_bytes_total",
                                                           "Bytes of messages received from clients."};
  Family<Counter> network_server_stream_failures_total{registry,
                                                       "etcd_network_server_stream_failures_total",
                                                       "Streams that failed on the server's side.",
                                                       {"API", "Type"}};
  Family<Gauge> network_known_peers{
      registry, "etcd_network_known_peers", "1 for each known peer.", {"Local", "Remote"}};
  Family<Gauge> network_active_peers{
      registry, "etcd_network_active_peers", "1 for each connected peer.", {"Local", "Remote"}};
  Family<Counter> network_disconnected_peers_total{
      registry, "etcd_network_disconnected_peers_total", "Disconnections of peers.", {"Local", "Remote"}};
  Family<Histogram> network_peer_round_trip_time_seconds{registry,
                                                         "etcd_network_peer_round_trip_time_seconds",
                                                         "The round trip time between members.",
                                                         {"To"},
                                                         Buckets{0.0001, 2, 16}};
  Family<Counter> network_snapshot_send_success{
      registry, "etcd_network_snapshot_send_success", "Snapshots that were sent.", {"To"}};
  Family<Gauge> network_snapshot_send_inflights_total{
      registry, "etcd_network_snapshot_send_inflights_total", "Snapshots that are being sent.", {"To"}};
  Family<Counter> network_snapshot_send_failures{
      registry, "etcd_network_snapshot_send_failures", "Snapshots that could not be sent.", {"To"}};
  Family<Histogram> network_snapshot_send_total_duration_seconds{registry,
                                                                 "etcd_network_snapshot_send_total_duration_seconds",
                                                                 "How long sending a snapshot took.",
                                                                 {"To"},
                                                                 Buckets{0.1, 2, 10}};
  Family<Counter> network_snapshot_receive_success{
      registry, "etcd_network_snapshot_receive_success", "Snapshots that were received.", {"From"}};
  Family<Gauge> network_snapshot_receive_inflights_total{
      registry, "etcd_network_snapshot_receive_inflights_total", "Snapshots that are being received.", {"From"}};
  Family<Counter> network_snapshot_receive_failures{
      registry, "etcd_network_snapshot_receive_failures", "Snapshots that could not be received.", {"From"}};
  Family<Histogram> network_snapshot_receive_total_duration_seconds{
      registry,
      "etcd_network_snapshot_receive_total_duration_seconds",
      "How long receiving a snapshot took.",
      {"From"},
      Buckets{0.1, 2, 10}};
  Family<Counter> network_peer_sent_bytes_total{
      registry, "etcd_network_peer_sent_bytes_total", "Bytes sent to a peer.", {"To"}};
  Family<Counter> network_peer_received_bytes_total{
      registry, "etcd_network_peer_received_bytes_total", "Bytes received from a peer.", {"From"}};
  Family<Counter> network_peer_sent_failures_total{
      registry, "etcd_network_peer_sent_failures_total", "Failed sends to a peer.", {"To"}};
  Family<Counter> network_peer_received_failures_total{
      registry, "etcd_network_peer_received_failures_total", "Failed receipts from a peer.", {"From"}};

  // ---- RPCs: the engine counts them, every method starts at zero ----------------------------------------------------
  Family<Counter> grpc_server_started_total{
      registry, "grpc_server_started_total", "RPCs started.", {"grpc_method", "grpc_service", "grpc_type"}};
  Family<Counter> grpc_server_handled_total{registry,
                                            "grpc_server_handled_total",
                                            "RPCs completed, whatever their result.",
                                            {"grpc_code", "grpc_method", "grpc_service", "grpc_type"}};
  Family<Counter> grpc_server_msg_received_total{
      registry, "grpc_server_msg_received_total", "Messages received.", {"grpc_method", "grpc_service", "grpc_type"}};
  Family<Counter> grpc_server_msg_sent_total{
      registry, "grpc_server_msg_sent_total", "Messages sent.", {"grpc_method", "grpc_service", "grpc_type"}};
  // With --metrics=extensive only; it has no member otherwise.
  Family<Histogram> grpc_server_handling_seconds{registry,
                                                 "grpc_server_handling_seconds",
                                                 "How long an RPC took, from its acceptance to its end.",
                                                 {"grpc_method", "grpc_service", "grpc_type"},
                                                 std::vector<double>{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}};

  // ---- the process (server/runtime/metrics_process.h fills them in)
  // --------------------------------------------------
  Single<DoubleCounter> process_cpu_seconds_total{registry, "process_cpu_seconds_total",
                                                  "Processor time of user and system in seconds."};
  Single<Gauge> process_resident_memory_bytes{registry, "process_resident_memory_bytes", "Resident memory in bytes."};
  Single<Gauge> process_virtual_memory_bytes{registry, "process_virtual_memory_bytes", "Virtual memory in bytes."};
  Single<Gauge> process_virtual_memory_max_bytes{registry, "process_virtual_memory_max_bytes",
                                                 "The limit of virtual memory in bytes."};
  Single<Gauge> process_start_time_seconds{registry, "process_start_time_seconds",
                                           "When the process started (Unix time)."};
  Single<DoubleCounter> process_network_receive_bytes_total{registry, "process_network_receive_bytes_total",
                                                            "Bytes received by the network that the process is in."};
  Single<DoubleCounter> process_network_transmit_bytes_total{registry, "process_network_transmit_bytes_total",
                                                             "Bytes sent by the network that the process is in."};
  Single<Gauge> process_open_fds{registry, "process_open_fds", "Open file descriptors."};
  Single<Gauge> process_max_fds{registry, "process_max_fds", "The limit of open file descriptors."};
  Single<Gauge> os_fd_used{registry, "os_fd_used", "File descriptors in use."};
  Single<Gauge> os_fd_limit{registry, "os_fd_limit", "The limit of file descriptors."};

  // ---- kept at zero because dashboards ask for them
  // ------------------------------------------------------------------
  Single<Counter> debugging_store_expires_total{registry, "etcd_debugging_store_expires_total", "Always 0."};
  Single<Counter> debugging_store_watch_requests_total{registry, "etcd_debugging_store_watch_requests_total",
                                                       "Always 0."};
  Single<Gauge> debugging_store_watchers{registry, "etcd_debugging_store_watchers", "Always 0."};
  Single<Gauge> grpc_proxy_cache_hits_total{registry, "etcd_grpc_proxy_cache_hits_total", "Always 0."};
  Single<Gauge> grpc_proxy_cache_keys_total{registry, "etcd_grpc_proxy_cache_keys_total", "Always 0."};
  Single<Gauge> grpc_proxy_cache_misses_total{registry, "etcd_grpc_proxy_cache_misses_total", "Always 0."};
  Single<Counter> grpc_proxy_events_coalescing_total{registry, "etcd_grpc_proxy_events_coalescing_total", "Always 0."};
  Single<Gauge> grpc_proxy_watchers_coalescing_total{registry, "etcd_grpc_proxy_watchers_coalescing_total",
                                                     "Always 0."};
};

}  // namespace regent::server
