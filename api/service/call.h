// What a handler sees of a call, and what an RPC engine sees of a handler. No header of an RPC library appears here:
// the same handlers serve every engine, the JSON gateway and the tests.
//
// Threads: an engine calls the functions of one call's handler one at a time, on a thread of its own. The functions of
// Call may be called from any thread, also inside a handler's function. A Call outlives its RPC: after the peer has
// gone, Send and Finish do nothing.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "api/contract/types.h"

namespace regent::api {

// Immutable bytes with many owners: an event encoded once is sent to all its watchers.
using SharedBytes = std::shared_ptr<const std::string>;

// One encoded message in pieces; its bytes are their concatenation.
using WireMessage = std::vector<SharedBytes>;

// A message that is read while it leaves: its length is known before its bytes are.
class MessageSource {
 public:
  virtual ~MessageSource() = default;
  virtual size_t size_bytes() const = 0;  // of the whole message
  virtual int64_t count() const = 0;      // of the items that it says there are: for the log
  // The next part, never empty; all parts together have size_bytes(). By one thread at a time, which may block shortly.
  virtual WireMessage Next() = 0;
};

class Call {
 public:
  virtual ~Call() = default;

  // The first value of a metadata key (lower case), if the client sent it.
  virtual std::optional<std::string_view> Metadata(std::string_view key) const = 0;

  // When the client stops waiting; MonotonicTime::max() if it did not say.
  virtual MonotonicTime deadline() const = 0;

  // The client's address, for people: "127.0.0.1:41180". Empty where the engine does not say.
  virtual std::string_view peer() const { return {}; }

  // Queues a message; messages leave in the order of the calls. Unary: exactly one Send, then Finish(OkStatus()).
  virtual void Send(WireMessage message) = 0;

  // As Send, of a message that is not all there. An engine that cannot wait with it reads it whole.
  virtual void SendFrom(std::unique_ptr<MessageSource> source);

  // Ends the call after everything queued; the first Finish counts. Status messages are the contract's texts.
  virtual void Finish(absl::Status status) = 0;

  // Bytes queued by Send that the engine has not handed to the transport yet.
  virtual size_t unsent_bytes() const = 0;
};

// One open stream. The engine owns it and destroys it after OnDone returned.
class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  virtual void OnMessage(std::string_view message) = 0;
  virtual void OnHalfClose() = 0;  // the client sends no more; the stream goes on until Finish
  virtual void OnSent() = 0;       // unsent_bytes() has become smaller
  virtual void OnDone() = 0;       // the last call: finished, cancelled or broken. No Send has effect after it
};

// A method as the engine registers it. `path` is "/package.Service/Method".
struct Method {
  enum class Kind { kUnary, kStream };
  std::string path;
  Kind kind = Kind::kUnary;
  // kUnary: called once with the request's bytes; answers through the call, at once or later.
  std::function<void(std::shared_ptr<Call>, std::string_view request)> unary;
  // kStream: called when the stream opens (bidirectional and server streams alike).
  std::function<std::unique_ptr<StreamHandler>(std::shared_ptr<Call>)> stream;
};

}  // namespace regent::api
