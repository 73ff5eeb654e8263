// What a node is made of: its facts, its limits, and the seams through which everything uncertain enters.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/contract/limits.h"
#include "raft/options.h"
#include "server/node/compaction_planner.h"
#include "server/node/mutants.h"
#include "server/node/transport.h"
#include "server/node/watch_hub.h"
#include "server/runtime/loop.h"
#include "server/runtime/metrics.h"
#include "storage/log_store.h"
#include "storage/reserve_file.h"
#include "storage/state_machine.h"

namespace regent::server {

class SnapshotStorage;

struct NodeOptions {
  uint64_t cluster_id = 0;
  uint64_t member_id = 0;
  std::string name;
  std::vector<std::string> peer_urls;
  std::vector<std::string> client_urls;
  uint64_t incarnation = 0;  // of the data folder, published to the others; 0: none
  // What a member that joins was told by the others; empty: log and store know, or this member is alone.
  std::vector<api::Member> joining;

  std::chrono::milliseconds heartbeat_interval{100};
  std::chrono::milliseconds election_timeout{1000};

  bool strict_reconfiguration = true;  // changes of members that could cost the quorum are refused
  int64_t learners_max = 1;

  size_t request_bytes_max = api::kMaxRequestBytesDefault;  // of an encoded command
  size_t proposals_waiting_max = 100'000;                   // not yet seen by the raft loop
  uint64_t unapplied_entries_max = 5'000;                   // committed and not applied: new proposals are refused
  int64_t quota_bytes = 0;                                  // as the state machine has it; 0 or less: none

  Duration slow_request = std::chrono::milliseconds(100);  // what takes longer is logged (slow_requests.h)

  uint64_t log_entries_kept = 5'000;                        // for members that are behind, if there are others
  uint64_t log_kept_bytes_max = 1024 << 20;                 // a log that is larger keeps none for them
  uint64_t log_held_bytes_max = 4096ull << 20;              // a log that is larger waits for no transfer of a snapshot
  Duration log_idle = std::chrono::milliseconds(10);        // then the log's mark is written and its future prepared
  Duration disk_stall_max = std::chrono::seconds(20);       // a write that takes longer ends the process
  Duration flush_check_interval = std::chrono::seconds(5);  // how often the log is released up to the flushed state
  Duration flush_interval = std::chrono::seconds(60);  // the store is flushed if it has not flushed itself this long
  uint64_t flush_entries_max = 0;  // and when it has applied more entries than so since; 0: however many

  size_t snapshot_piece_bytes = 1 << 20;          // what a member that receives a snapshot asks for at a time
  uint64_t snapshot_bytes_per_second = 64 << 20;  // it asks no faster than so

  size_t purge_events_max = 256;                        // of one slice
  Duration purge_pause = std::chrono::milliseconds(1);  // between slices, at least, unless somebody waits for the purge
  size_t lease_revokes_max = 32;                        // leases that one command ends
  CompactionPolicy compaction;                          // automatic; off unless set

  WatchOptions watch;
  raft::CoreOptions raft;  // the ticks are derived from the two intervals above

  // The wall clock, for a metric that shows it; without it that metric stays 0. From any thread.
  std::function<double()> unix_seconds;
  // On the raft loop, once per loss: no leader has been known for three election timeouts.
  std::function<void()> on_leader_lost;
  // On the raft loop, and first when it begins: who is to be reached has changed.
  std::function<void(const std::vector<api::Member>&)> on_members;
  // On the apply loop: this member is none any more, for ever.
  std::function<void()> on_removed;
  // On the apply loop: the cluster knows this member with another data folder, which is lost. This one has forgotten
  // what it voted and acknowledged, so it must end at once.
  std::function<void()> on_forgot;
  // A broken disk or a broken promise: must end the process with a non-zero status. After it returns, if it does, the
  // node acknowledges nothing any more.
  std::function<void(const std::string& why)> on_fatal;

  NodeMutants mutants;

  // The contract's request timeout: kRequestTimeoutBase and two election timeouts.
  Duration request_timeout() const { return api::kRequestTimeoutBase + 2 * election_timeout; }
  // Seconds; shorter leases are made this long.
  int64_t lease_ttl_min() const { return (3 * election_timeout.count() / 2 + 999) / 1000; }
};

// The loops, the disk, the network and chance. All must outlive the node, except that `log` and `state_machine` are
// used on their loops alone.
struct NodeSeams {
  Loop& raft_loop;
  Loop& log_loop;
  Loop& apply_loop;
  Loop& watch_loop;
  Loop& background;
  storage::LogStore& log;
  storage::StateMachine& state_machine;
  Transport& transport;
  uint64_t seed = 0;  // must differ at every start
  Metrics& metrics;
  storage::ReserveFile* reserve = nullptr;  // space for a full disk, of the log loop; null: none is kept
  SnapshotStorage* snapshots = nullptr;     // null: this node is, and stays, alone
};

}  // namespace regent::server
