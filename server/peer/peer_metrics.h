// What is counted about one peer, looked up once. Safe for all threads.
#pragma once

#include <cstddef>
#include <string>

#include "raft/types.h"
#include "server/runtime/hexadecimal.h"
#include "server/runtime/metrics.h"

namespace regent::server {

struct PeerMetrics {
  Counter& sent_bytes;
  Counter& received_bytes;
  Counter& sent_failures;
  Counter& received_failures;
  Counter& disconnected;
  Gauge& active;
  Histogram& round_trip;

  static PeerMetrics Of(Metrics& metrics, raft::NodeId self, raft::NodeId peer) {
    const std::string local = Hexadecimal(self.value), remote = Hexadecimal(peer.value);
    return {.sent_bytes = metrics.network_peer_sent_bytes_total.With({remote}),
            .received_bytes = metrics.network_peer_received_bytes_total.With({remote}),
            .sent_failures = metrics.network_peer_sent_failures_total.With({remote}),
            .received_failures = metrics.network_peer_received_failures_total.With({remote}),
            .disconnected = metrics.network_disconnected_peers_total.With({local, remote}),
            .active = metrics.network_active_peers.With({local, remote}),
            .round_trip = metrics.network_peer_round_trip_time_seconds.With({remote})};
  }
};

}  // namespace regent::server
