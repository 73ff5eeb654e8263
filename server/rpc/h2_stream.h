// One stream of an HTTP/2 connection: what came so far and what is to go. Belongs to its connection (h2_connection.h)
// and is touched under the worker's turn alone.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/rpc/byte_queue.h"
#include "server/rpc/grpc_wire.h"
#include "server/rpc/h2_call.h"

namespace regent::server {

struct H2Stream {
  H2Stream(int32_t stream_id, size_t message_bytes_max) : id(stream_id), reader(message_bytes_max) {}

  const int32_t id;

  // The request's headers, while they come.
  std::string http_method, path, content_type, timeout, encoding;
  H2Call::Headers metadata;

  // The call, once the headers are complete.
  api::MonotonicTime started_at;  // for the counters
  ServedMethod* method = nullptr;
  api::MonotonicTime deadline = api::MonotonicTime::max();
  std::shared_ptr<api::Call> call;   // of a unary call, until its request is complete
  std::shared_ptr<OpenStream> open;  // of a stream
  UnsentBytes unsent;                // of a stream
  MessageReader reader;
  size_t window_bytes = 0;     // received, and not yet given back to the client's window
  bool got_request = false;    // of a unary call
  std::string held_request;    // of a unary call that waits for its turn
  bool remote_closed = false;  // the client sends no more

  // The answer.
  ByteQueue queue;
  std::unique_ptr<api::MessageSource> source;  // of what follows the queue; null: nothing does
  size_t source_bytes = 0;                     // that it still has
  size_t promised_bytes = 0;                   // of the queue: in a frame that has begun
  bool responded = false;                      // headers are submitted
  bool deferred = false;                       // the transport waits for more from us
  std::optional<absl::Status> finish;
  bool overdue = false;   // the deadline has been acted upon
  bool sent_end = false;  // the status has left: the call's result is `finish`

  void Add(const api::WireMessage& message, size_t size_bytes);
  void ReadFrom(std::unique_ptr<api::MessageSource> from);
  // Reads on when little is queued. How many bytes were added to the queue.
  size_t Refill();
  size_t unsent_answer_bytes() const { return queue.size_bytes() + source_bytes; }
};

}  // namespace regent::server
