// The limits of a core, its facts at start, and its planted bugs.
#pragma once

#include <cstdint>
#include <vector>

#include "raft/types.h"

namespace regent::raft {

struct CoreOptions {
  // Ticks are the only time; their length is the owner's. A follower campaigns after a random time in
  // [election_ticks, 2 * election_ticks).
  uint32_t election_ticks = 10;
  uint32_t heartbeat_ticks = 1;
  uint32_t peer_gone_ticks_max = 1;  // after PeerGone(leader) campaign within a random [0, this] ticks

  bool pre_vote = true;
  bool check_quorum = true;  // a leader without quorum steps down; a node that hears its leader ignores candidates

  uint64_t step_bytes_max = 16 << 20;           // data of one durable step (always at least one entry)
  uint64_t append_message_bytes_max = 1 << 20;  // data of one AppendRequest (always at least one entry)
  uint32_t in_flight_messages_max = 512;        // AppendRequests with entries a peer has not acknowledged
  uint64_t in_flight_bytes_max = 64 << 20;      // their data (always at least one message)
  uint64_t apply_bytes_max = 4 << 20;           // data handed out for apply and not yet reported applied
  uint64_t memory_tail_bytes_max = 64 << 20;    // committed and durable entries kept for peers, if any
  uint64_t uncommitted_bytes_max = 256 << 20;   // proposals of this leader that are not committed; full: refused
  uint32_t reads_max = 65536;                   // reads waiting for an index; full: refused
};

// Planted bugs: each breaks one rule on purpose, so that tests prove that the checkers find it. Never set in
// production.
struct CoreMutants {
  bool commit_earlier_terms_by_count = false;  // figure 8 of the paper
  bool read_before_own_term_commit = false;    // answers ReadIndex before the term's no-op is committed
  bool read_without_quorum = false;            // a leader trusts itself
  bool acknowledge_before_persist = false;     // replies do not wait for the disk
  bool vote_twice = false;                     // forgets whom it voted for in this term
  bool vote_for_shorter_log = false;           // skips the up-to-date check
  bool count_own_unpersisted_entries = false;  // the leader counts itself at append
  bool persisted_without_term_check = false;   // the ABA check is off
  bool append_without_log_matching = false;    // the previous entry is not compared
  bool truncate_on_every_append = false;       // drops what follows the entries of a late, shorter append
  bool apply_before_persist = false;           // committed entries are applied before they are durable here
  bool change_without_joint = false;           // a new set of voters counts at once
  bool change_while_pending = false;           // a second change does not wait for the first one
  bool change_before_own_term_commit = false;  // a new leader changes before its no-op is committed
  bool joint_needs_incoming_only = false;      // the outgoing half is not asked
  bool keep_truncated_configuration = false;   // a configuration outlives its entry
  bool snapshot_keeps_configuration = false;   // an installed snapshot leaves the old configuration in force
  bool snapshot_keeps_log = false;             // entries behind an installed snapshot stay
  bool silent_to_lower_terms = false;          // who is behind in terms hears nothing of it
  bool uncommitted_unbounded = false;          // a leader takes proposals whatever is not committed yet
};

// What a node knows when it starts. Everything here is durable.
struct CoreStart {
  NodeId id;
  Configuration configuration;  // in force at `applied`
  HardState hard_state;
  Index base_index;  // the entry before the first one of the log; {0, 0} for a log from the beginning
  Term base_term;
  Index last_index;  // base_index and base_term when the log is empty
  Term last_term;
  Index applied;                                            // in the state machine, durable or not; >= base_index
  Index configuration_index;                                // of the entry of `configuration`; 0: it stands in no log
  std::vector<PlacedConfiguration> later_configurations{};  // in (applied, last_index], ascending
  // The terms of the entries in (applied, last_index], in order; the first run may begin at or below applied + 1. A
  // node that is the only voter may leave it empty: it reads the entries when it applies them.
  std::vector<TermRun> terms;
  // The newest entries, contiguous, ending at last_index: they need not be fetched again. Their terms need no run.
  std::vector<Entry> tail;
  // Chance. Must differ at every start of every node: it also makes the rounds of reads unique.
  uint64_t seed = 0;
};

}  // namespace regent::raft
