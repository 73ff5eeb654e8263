// A call of the HTTP/2 engine as handlers see it, and what passes between calls, connections and the engine's thread.
//
// A handler's H2Call knows its stream by number only. What it sends is posted to the worker (h2_worker.h), which finds
// the stream or, when it is gone, drops it. So nothing of a call refers to a connection, and no lock is shared.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "api/service/call.h"
#include "server/rpc/method_table.h"

namespace regent::server {

struct StreamKey {
  uint64_t connection = 0;
  int32_t stream = 0;
};

// From a call to its stream: a message, the end, or both. A message is there or comes from a source.
struct Outgoing {
  StreamKey to;
  std::optional<api::WireMessage> message;
  std::unique_ptr<api::MessageSource> source = nullptr;
  std::optional<absl::Status> finish;
};

class CallOutbox {
 public:
  virtual ~CallOutbox() = default;
  virtual void Post(Outgoing outgoing) = 0;  // from any thread
};

using UnsentBytes = std::shared_ptr<std::atomic<size_t>>;

class H2Call final : public api::Call {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  struct Facts {
    StreamKey key;
    bool is_unary = false;
    api::MonotonicTime deadline = api::MonotonicTime::max();
    Headers metadata;
    std::shared_ptr<const std::string> peer;
    UnsentBytes unsent;  // of a stream; null for a unary call
  };

  H2Call(std::shared_ptr<CallOutbox> outbox, Facts facts) : outbox_(std::move(outbox)), facts_(std::move(facts)) {}

  // A call that its handlers forgot must not hang until its deadline.
  ~H2Call() override { Finish(absl::UnavailableError("etcdserver: server stopped")); }

  std::optional<std::string_view> Metadata(std::string_view key) const override;
  api::MonotonicTime deadline() const override { return facts_.deadline; }
  std::string_view peer() const override { return *facts_.peer; }
  void Send(api::WireMessage message) override;
  void SendFrom(std::unique_ptr<api::MessageSource> source) override;
  void Finish(absl::Status status) override;
  size_t unsent_bytes() const override {
    return facts_.unsent == nullptr ? 0 : facts_.unsent->load(std::memory_order_relaxed);
  }

 private:
  const std::shared_ptr<CallOutbox> outbox_;
  const Facts facts_;
  std::optional<api::WireMessage> answer_;      // of a unary call: it leaves with its status
  std::unique_ptr<api::MessageSource> source_;  // of a unary call: instead of answer_
  std::atomic<bool> finished_{false};
};

// A stream's handler, from its opening to OnDone; the engine thread's alone.
struct OpenStream {
  std::unique_ptr<api::StreamHandler> handler;
};

// What an engine thread tells handlers, outside every lock.
struct CallEvent {
  enum class Kind : uint8_t { kUnary, kOpen, kMessage, kHalfClose, kSent, kDone };
  Kind kind = Kind::kUnary;
  ServedMethod* method = nullptr;      // kUnary, kOpen
  std::shared_ptr<api::Call> call;     // kUnary, kOpen
  std::shared_ptr<OpenStream> stream;  // all but kUnary
  std::string message;                 // kUnary, kMessage

  void Run();
};

}  // namespace regent::server
