// The network between members: own frames over TCP, or over TLS on it.
//
// Each member dials every other one; a connection carries messages from the side that dialled. So a member hears that
// another one's process has ended when that one's connection closes, and a network that lets only one direction
// through shows as what it is. (frame.h, hello.h and message_codec.h are the protocol.)
//
// Send writes to the sockets on the thread that calls, as far as they take it: a message costs no wake-up. The rest,
// and everything that is received, is the business of one thread with epoll. What does not fit a peer's queue, and what
// is for nobody known, is dropped: Raft sends again.
//
// Strangers: a connection must introduce itself as a member of this cluster within seconds, and over TLS show a
// certificate if that is required; until then it holds a few kilobytes. Whoever breaks the protocol is cut off.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "server/node/transport.h"
#include "server/peer/options.h"
#include "server/runtime/loop.h"
#include "server/runtime/metrics.h"

namespace regent::server {

class TcpTransport : public Transport {
 public:
  // Binds the addresses; an error names the address, or the file that cannot be used. `metrics` outlives the transport.
  static absl::StatusOr<std::unique_ptr<TcpTransport>> Open(TransportOptions options, Metrics& metrics);
  ~TcpTransport() override = default;  // REQUIRES: Stop has returned, or Start was never called

  // The addresses as bound, in the order given: real ports in the place of 0.
  virtual const std::vector<PeerUrl>& listen() const = 0;

  virtual void Start(TransportEvents events) = 0;
  // Closes everything and ends the thread; nothing is called any more when it returns. Not on the transport's thread.
  virtual void Stop() = 0;

  // Who the others are. From any thread; connections to those that are no longer named are closed.
  virtual void SetPeers(PeerUrls peers) = 0;
};

}  // namespace regent::server
