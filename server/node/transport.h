// The seam of the network between members. A single node has nobody to talk to: NullTransport.
#pragma once

#include <vector>

#include "raft/message.h"

namespace regent::server {

class Transport {
 public:
  virtual ~Transport() = default;
  // Takes the messages; may lose, repeat, delay and reorder them. Called on the raft loop, must not block.
  virtual void Send(std::vector<raft::Message> messages) = 0;
};

class NullTransport final : public Transport {
 public:
  void Send(std::vector<raft::Message>) override {}
};

}  // namespace regent::server
