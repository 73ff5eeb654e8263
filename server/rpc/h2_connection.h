// The HTTP/2 side of one connection: a libnghttp2 session with the rules of gRPC on top.
//
// Bytes come in by OnReadable, which turns them into CallEvents; answers come in by Answer; Flush sends what is there,
// in one write where the socket takes it. What the socket does not take waits here up to kOutBytesMax, everything
// behind it waits in its stream's queue: a client that does not read costs its own queues only.
//
// Limits on a peer, hostile or only slow:
//   * the headers of a call (kMetadataBytesMax), a message, streams (kStreamsMax);
//   * what compressed headers grow to: beyond kHeaderBytesEnd of one block the connection ends, and beyond
//     kHeaderBytesPerTurn the rest of the input waits for the next turn;
//   * incomplete messages: above kPartialBytesEasy only the oldest one may go on, the others' windows stay closed until
//     it is whole; above kPartialBytesMax the connection ends;
//   * answers that are not read: further requests wait (h2_answer_budget.h), what waits beyond kHeldBytesMax is
//   refused;
//     frames that pile up (kOutFramesMax) end the connection;
//   * pings: etcd's enforcement. libnghttp2 limits resets, acknowledgements and continuations;
//   * a peer that does not complete the handshake, or does not take the last words, has handshake_timeout.
//
// Owner: the worker. Every function runs under the worker's turn.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/rpc/h2_answer_budget.h"
#include "server/rpc/h2_stream.h"
#include "server/rpc/rpc_engine.h"
#include "server/runtime/loop.h"
#include "server/runtime/socket.h"

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

  // What the headers of one turn grow to, at most about.
  static constexpr size_t kHeaderBytesPerTurn = 1024 * 1024;

  // The peer sends no more: after what is there comes the end.
  void OnHangUp() { hung_up_ = true; }
  // Reads what is there, up to a bound. True when more may be waiting.
  bool OnReadable(MonotonicTime now);
  void Answer(int32_t stream, Outgoing outgoing);
  // Sends what the socket takes, up to a bound. True when the bound is the reason to stop.
  bool Flush();
  // Deadlines and pings; about every 100 ms.
  void Tick(MonotonicTime now);
  // No new call is taken.
  void GoAway();
  // Ends what is left.
  void CancelAll(const absl::Status& status);

  bool dead() const { return dead_; }  // to be destroyed
  bool drained() const { return streams_.empty() && out_.empty(); }
  size_t queued_bytes() const { return budget_.queued_bytes(); }  // answers of unary calls
  uint64_t id() const { return id_; }
  int fd() const { return fd_.get(); }

 private:
  static constexpr size_t kOutBytesMax = 512 * 1024;
  static constexpr size_t kOutFramesMax = 64 * 1024;  // queued in the session
  static constexpr size_t kPartialBytesEasy = 16 * 1024 * 1024;
  static constexpr size_t kPartialBytesMax = 64 * 1024 * 1024;
  static constexpr size_t kHeldBytesMax = 16 * 1024 * 1024;
  static constexpr uint32_t kStreamsMax = 32 * 1024;  // where the options say less, that counts
  // Headers a little above the limit are answered with an error; nobody sends so many by mistake.
  static constexpr size_t kHeaderBytesEnd = 4 * RpcEngine::kMetadataBytesMax;
  friend struct SessionCallbacks;

  // From the session.
  void OnBeginHeaders(int32_t id);
  // Of any block of headers, one that nobody reads among them. False: nothing more in this turn.
  bool CountHeader(size_t bytes);
  void OnHeader(H2Stream& stream, std::string_view name, std::string_view value);
  void OnHeadersComplete(H2Stream& stream);
  void OnData(H2Stream& stream, std::string_view bytes);
  void OnRemoteClosed(H2Stream& stream);
  void OnPing();
  void OnStreamClosed(H2Stream& stream);
  ssize_t ProvideData(H2Stream& stream, size_t size_max, uint32_t* flags);
  void TakeQueued(H2Stream& stream, size_t size);

  void OpenCall(H2Stream& stream);
  void CountRequest(const api::Call& call, bool is_unary);
  void TakeMessage(H2Stream& stream, std::string message);
  void StartUnary(H2Stream& stream, std::string message);
  void StartHeld();
  void OpenWindows(H2Stream& stream);
  void OpenStalledWindows();
  void OpenWindow(H2Stream& stream);
  void Refuse(H2Stream& stream, int http_status, absl::Status status);
  void Finish(H2Stream& stream, absl::Status status);
  void DropQueue(H2Stream& stream);
  void Respond(H2Stream& stream);
  void SubmitTrailers(H2Stream& stream);
  void Release(H2Stream& stream, absl::StatusCode result);
  void Fail(uint32_t error, std::string_view why);
  void EndDeadlines(MonotonicTime now);
  void EndOverdue(H2Stream& stream);
  bool WriteOut();
  bool Feed(std::string_view bytes, MonotonicTime now);

  const uint64_t id_;
  const OwnedFd fd_;
  const std::shared_ptr<const std::string> peer_;
  Environment environment_;
  nghttp2_session* session_ = nullptr;
  std::unordered_map<int32_t, std::unique_ptr<H2Stream>> streams_;
  ByteQueue out_;                  // for the socket
  size_t block_header_bytes_ = 0;  // of the block that is coming in
  size_t turn_header_bytes_ = 0;
  bool paused_ = false;  // the session stopped in the middle of its input; the rest is here
  std::string paused_input_;
  size_t partial_bytes_ = 0;
  std::set<int32_t> stalled_;  // streams whose window waits for others' messages; the first may go on
  AnswerBudget budget_;
  std::set<int32_t> held_;  // unary requests that wait for the budget, the oldest first
  size_t held_bytes_ = 0;
  bool dead_ = false;
  bool close_after_flush_ = false;
  bool hung_up_ = false;
  size_t streams_with_deadline_ = 0;
  std::string client_version_;  // of the last request
  std::optional<ClientRequests::Counters> client_requests_;

  // Handshake and keepalive.
  bool got_settings_ = false;
  MonotonicTime give_up_at_;  // while the handshake or the farewell lasts
  MonotonicTime last_received_;
  MonotonicTime last_ping_;  // of the client
  int ping_strikes_ = 0;
  bool ping_out_ = false;  // ours waits for its answer
  MonotonicTime ping_sent_;
};

}  // namespace regent::server
