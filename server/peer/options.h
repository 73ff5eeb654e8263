// What the transport between members is made with: who this is, where the others are, and the limits.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "raft/message.h"
#include "server/node/peer_note.h"
#include "server/peer/hello.h"
#include "server/peer/peer_url.h"
#include "server/peer/tls.h"
#include "server/runtime/loop.h"

namespace regent::server {

struct TransportOptions {
  uint64_t cluster_id = 0;
  raft::NodeId self;
  uint64_t incarnation = 0;  // of the data folder; told to the others
  std::vector<PeerUrl> listen;
  std::vector<PeerUrl> advertise;  // told to those who do not know this member yet, so that they can answer
  std::optional<TlsOptions> tls;   // needed where a URL is secure
  uint64_t seed = 0;               // spreads the attempts to connect

  size_t frame_bytes_max = 64 << 20;  // of what is received
  size_t queue_bytes_max = 64 << 20;  // waiting to be sent to one peer; more is dropped
  size_t incoming_max = 1024;         // connections from others; further ones are closed at once
  size_t undecided_max = 128;         // of these, without an accepted hello
  size_t strangers_max = 16;          // of whom nothing is known but what they say themselves, and who are answered
                                      // where their URLs name addresses, not names

  Duration connect_timeout = std::chrono::seconds(1);  // to connect, and then for handshake and welcome
  Duration hello_timeout = std::chrono::seconds(5);    // for the other side to say who it is
  Duration retry_min = std::chrono::milliseconds(50);  // doubles with every failed attempt
  Duration retry_max = std::chrono::milliseconds(500);
  // Sent bytes that nobody confirms for this long end the connection: after a partition a new one is faster than the
  // old one's next attempt.
  std::chrono::milliseconds unconfirmed_max{2000};
};

// Called on the transport's thread, with no lock held; they must not block.
struct TransportEvents {
  std::function<void(raft::Message)> on_message;
  std::function<void(raft::NodeId from, PeerNote)> on_note;
  // The peer ended its last connection to this member: its process has probably ended.
  std::function<void(raft::NodeId)> on_peer_gone;
  // A peer does not want to hear this member. Null: that is logged, and no more.
  std::function<void(raft::NodeId peer, const Refusal&)> on_refused;
  // Somebody of this cluster introduces himself; a refusal is what he hears. Null: everybody is welcome.
  std::function<std::optional<Refusal>(const Hello&)> admit;
  // Who they are, for those who want to join. Null: nobody is told.
  std::function<std::vector<api::Member>()> members;
};

}  // namespace regent::server
