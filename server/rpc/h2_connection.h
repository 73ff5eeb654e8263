// The HTTP/2 side of one connection: a libnghttp2 session with the rules of gRPC on top.
//
// Bytes come in by OnReadable, which turns them into CallEvents; answers come in by Answer; Flush sends what is there,
// in one write where the socket takes it. What the socket does not take waits here up to kOutBytesMax, everything
// behind it waits in its stream's queue: a client that does not read costs its own queues only.
//
// Limits on a hostile peer: the headers of a call (kMetadataBytesMax), a message, incomplete messages of all streams
// together (kPartialBytesMax), pings (etcd's enforcement); libnghttp2 limits resets, settings, acknowledgements and
// continuations.
//
// Owner: the worker. Every function runs under the worker's turn.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/rpc/h2_stream.h"
#include "server/rpc/listen_socket.h"
#include "server/rpc/rpc_engine.h"
#include "server/runtime/loop.h"

namespace regent::server {

class H2Connection {
 public:
  struct Environment {
    const RpcEngine::Options& options;
    MethodTable& methods;
    std::shared_ptr<CallOutbox> outbox;
    std::vector<CallEvent>& events;  // for the handlers
  };

  H2Connection(uint64_t id, OwnedFd fd, Environment environment, MonotonicTime now);
  ~H2Connection();  // every stream that is left is done
  H2Connection(const H2Connection&) = delete;
  H2Connection& operator=(const H2Connection&) = delete;

  // Reads what is there, up to a bound. True when more may be waiting.
  bool OnReadable(MonotonicTime now);
  void Answer(int32_t stream, Outgoing outgoing);
  void Flush();
  // Deadlines and pings; about every 100 ms.
  void Tick(MonotonicTime now);
  // No new call is taken.
  void GoAway();
  // Ends what is left.
  void CancelAll(const absl::Status& status);

  bool dead() const { return dead_; }  // to be destroyed
  bool has_calls() const { return !streams_.empty(); }
  bool drained() const { return streams_.empty() && out_.empty(); }
  uint64_t id() const { return id_; }
  int fd() const { return fd_.get(); }

 private:
  static constexpr size_t kOutBytesMax = 128 * 1024;
  static constexpr size_t kPartialBytesMax = 64 * 1024 * 1024;
  friend struct SessionCallbacks;

  // From the session.
  int OnBeginHeaders(int32_t id);
  int OnHeader(H2Stream& stream, std::string_view name, std::string_view value);
  void OnHeadersComplete(H2Stream& stream);
  int OnData(H2Stream& stream, std::string_view bytes);
  void OnRemoteClosed(H2Stream& stream);
  void OnPing();
  void OnStreamClosed(H2Stream& stream, uint32_t error);
  ssize_t ProvideData(H2Stream& stream, size_t size_max, uint32_t* flags);

  void OpenCall(H2Stream& stream);
  void TakeMessage(H2Stream& stream, std::string message);
  void Refuse(H2Stream& stream, int http_status, absl::Status status);
  void Finish(H2Stream& stream, absl::Status status);
  void Respond(H2Stream& stream);
  void SubmitTrailers(H2Stream& stream);
  void Release(H2Stream& stream, absl::StatusCode result);
  void Fail(uint32_t error, std::string_view why);
  bool WriteOut();

  const uint64_t id_;
  const OwnedFd fd_;
  Environment environment_;
  nghttp2_session* session_ = nullptr;
  std::unordered_map<int32_t, std::unique_ptr<H2Stream>> streams_;
  std::string out_;  // for the socket
  size_t out_done_ = 0;
  size_t partial_bytes_ = 0;
  bool dead_ = false;
  bool close_after_flush_ = false;
  size_t streams_with_deadline_ = 0;

  // Keepalive.
  MonotonicTime last_received_;
  MonotonicTime last_ping_;  // of the client
  int ping_strikes_ = 0;
  bool ping_out_ = false;  // ours waits for its answer
  MonotonicTime ping_sent_;
};

}  // namespace regent::server
