// Where members listen for each other.
#pragma once

#include <map>
#include <vector>

#include "raft/types.h"
#include "server/runtime/socket.h"

namespace regent::server {

struct PeerUrl {
  bool secure = false;
  SocketAddress address;  // the host may be a name: it is looked up at every attempt to connect
  bool operator==(const PeerUrl& other) const {
    return secure == other.secure && address.is_unix == other.address.is_unix && address.host == other.address.host &&
           address.port == other.address.port;
  }
};

using PeerUrls = std::map<raft::NodeId, std::vector<PeerUrl>>;

}  // namespace regent::server
