// Planted bugs of a node: each breaks one promise on purpose, so that the simulation proves that its checkers find it.
// Never set in production.
#pragma once

namespace regent::server {

struct NodeMutants {
  bool acknowledge_before_persisted = false;    // the log says "durable" before it has written
  bool progress_ahead_of_events = false;        // a progress notification does not wait for watchers that are behind
  bool lease_expires_early = false;             // a lease lives half its time
  bool skip_event_when_falling_behind = false;  // a watcher that falls behind goes on one revision too late
  bool stale_linearizable_read = false;         // a read uses the view of some time ago
  bool release_unflushed_log = false;           // the log goes up to what is applied, not to what is flushed
};

}  // namespace regent::server
