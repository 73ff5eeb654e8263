// The seam of the network between members. A single node has nobody to talk to: NullTransport.
#pragma once

#include <optional>
#include <vector>

#include "raft/message.h"
#include "server/node/peer_note.h"
#include "server/runtime/loop.h"

namespace regent::server {

class Transport {
 public:
  virtual ~Transport() = default;
  // Takes the messages; may lose, repeat, delay and reorder them. Called on the raft loop, must not block.
  virtual void Send(std::vector<raft::Message> messages) = 0;
  // The same for a note, which is never repeated. False: it will certainly not arrive.
  virtual bool Tell(raft::NodeId to, PeerNote note) = 0;
  // From any thread: since when there has been a connection to the peer without a break; nullopt: there is none.
  virtual std::optional<MonotonicTime> ConnectedSince(raft::NodeId peer) const = 0;
};

class NullTransport final : public Transport {
 public:
  void Send(std::vector<raft::Message>) override {}
  bool Tell(raft::NodeId, PeerNote) override { return false; }
  std::optional<MonotonicTime> ConnectedSince(raft::NodeId) const override { return std::nullopt; }
};

}  // namespace regent::server
