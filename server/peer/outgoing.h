// A connection that carries this member's messages and notes to one peer, of one lane: dials, introduces itself, sends,
// and dials again when it breaks. What comes back on it is the answer to the hello and nothing else.
//
//   kWaiting     until the next attempt
//   kLookingUp   the host's name, on the pool
//   kConnecting → kHandshaking (TLS) → kGreeting (hello sent) → kOpen
//
// What is sent while the connection is being made waits a little; when the attempt fails it is forgotten. Raft takes
// losses, and old messages help nobody.
//
// Owner: the transport's thread. Send and open may be called from any thread: whoever sends writes to the socket
// himself when nothing waits, so that a message costs no wake-up.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "raft/types.h"
#include "server/peer/byte_stream.h"
#include "server/peer/frame.h"
#include "server/peer/options.h"
#include "server/peer/peer_metrics.h"
#include "server/runtime/mutex.h"

namespace regent::server {

class Outgoing {
 public:
  // On the transport's thread.
  struct Environment {
    const TransportOptions& options;
    std::function<void(int fd)> watch;                     // edge-triggered, both directions
    std::function<void(const std::string& host)> look_up;  // answered by OnAddresses
    std::function<void()> go_on_later;                     // OnReady, though nothing happens; from any thread
    std::function<uint64_t(uint64_t limit)> random_below;
    std::function<void(const Refusal&)> refused;
  };

  Outgoing(raft::NodeId peer, Lane lane, std::vector<PeerUrl> urls, Environment environment, PeerMetrics metrics);

  ~Outgoing();

  // From any thread. Whole frames; false: dropped.
  bool Send(std::string frames);
  bool open() const { return open_since_.load(std::memory_order_relaxed) != MonotonicTime(); }
  std::optional<MonotonicTime> open_since() const {
    const MonotonicTime since = open_since_.load(std::memory_order_relaxed);
    return since == MonotonicTime() ? std::nullopt : std::optional(since);
  }

  void SetUrls(std::vector<PeerUrl> urls);
  // Begins an attempt that is due, ends one that takes too long.
  void Tick(MonotonicTime now);
  void OnReady(MonotonicTime now);  // something happened on the socket
  void OnAddresses(const std::string& host, const absl::StatusOr<std::vector<std::string>>& addresses,
                   MonotonicTime now);

 private:
  enum class Phase : uint8_t { kWaiting, kLookingUp, kConnecting, kHandshaking, kGreeting, kOpen };

  void Dial(const SocketAddress& address, MonotonicTime now);
  void SetStream(OwnedFd fd, SslHandle ssl);
  void OnConnected(MonotonicTime now);
  void Handshake(MonotonicTime now);
  void Greet(MonotonicTime now);
  void AwaitWelcome(MonotonicTime now);
  void OnAnswer(const Frame& frame, MonotonicTime now);
  void WatchOpen(MonotonicTime now);
  void Fail(const std::string& why, MonotonicTime now);
  void SetActive(bool active);
  const PeerUrl& url() const { return urls_[attempt_ % urls_.size()]; }

  // As much as may be written while others wait. False: the stream is broken.
  void ObserveRoundTrip() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Flush() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ByteStream::Moved ReadSome();

  const raft::NodeId peer_;
  const Lane lane_;
  const Environment environment_;
  const TransportOptions& options_;
  PeerMetrics metrics_;

  // Of the transport's thread.
  std::vector<PeerUrl> urls_;
  Phase phase_ = Phase::kWaiting;
  MonotonicTime due_;  // of the next attempt, or the end of the patience with this one
  uint64_t attempt_ = 0;
  int failures_ = 0;  // in a row
  MonotonicTime opened_at_;
  std::string looking_up_;      // the host that is being looked up, whatever the phase is by now; empty: none
  std::string read_error_;      // of ReadSome
  std::set<std::string> said_;  // why the attempts failed so far: each is logged once
  FrameReader reader_{kHelloBytesMax};

  std::atomic<MonotonicTime> open_since_{MonotonicTime()};  // the beginning of time: it is not open
  Mutex mutex_;
  std::unique_ptr<ByteStream> stream_ ABSL_GUARDED_BY(mutex_);
  bool may_write_ ABSL_GUARDED_BY(mutex_) = false;     // the hello was accepted, nothing has failed
  MonotonicTime observed_at_ ABSL_GUARDED_BY(mutex_);  // the round trip
  std::deque<std::string> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t first_sent_bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // of the first in the queue
};

}  // namespace regent::server
