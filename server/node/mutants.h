// Planted bugs of a node: each breaks one promise on purpose, so that the simulation proves that its checkers find it.
// Never set in production.
#pragma once

#include "raft/options.h"

namespace regent::server {

struct NodeMutants {
  bool acknowledge_before_persisted = false;    // the log says "durable" before it has written
  bool acknowledge_after_failed_write = false;  // an error of the disk is passed over
  bool progress_ahead_of_events = false;        // a progress notification does not wait for watchers that are behind
  bool lease_expires_early = false;             // a lease lives half its time
  bool skip_event_when_falling_behind = false;  // a watcher that falls behind goes on one revision too late
  bool stale_linearizable_read = false;         // a read uses the view of some time ago
  bool release_unflushed_log = false;           // the log goes up to what is applied, not to what is flushed
  bool no_progress_when_idle = false;        // progress is announced only where an event was sent since the last time
  bool skip_compacted_events = false;        // a watcher behind the compaction goes on there, without a cancel
  bool repeat_revision_on_resume = false;    // a watcher that starts in the past gets the revision before as well
  bool leak_watchers_behind = false;         // a watcher that goes while it is behind stays in the gauges
  bool private_event_copies = false;         // every watcher that is behind gets its own copy of recent events
  bool renew_ended_lease = false;            // a renewal is acknowledged whether the lease is there or not
  bool forward_twice = false;                // a write for the leader elsewhere is sent a second time
  bool keep_deadlines_when_leading = false;  // who begins to lead counts leases from when it heard of them
  bool snapshot_skips_events = false;        // watchers do not get what an installed snapshot jumped over
  bool snapshot_forgets_starts = false;      // a watcher that starts in the future begins behind an installed snapshot
  bool receive_while_installing = false;     // a newer snapshot takes the place of one that is being installed
  bool member_list_local = false;            // a linearizable list of members is this member's own
  bool promote_unready = false;              // nobody looks how far a learner has come
  bool lead_with_stalled_disk = false;       // a leader goes on with its heartbeats while its disk does not answer
  bool expire_when_deposed = false;          // who led once ends leases on, and its commands name no term
  bool wait_for_ever = false;                // no deadline, and no word when the leadership is lost
  raft::CoreMutants core;
};

}  // namespace regent::server
