// Any bytes, in any portions, as an HTTP/2 connection. The handlers echo, answer late, answer much, and stay silent. At
// the end every opened handler is done and destroyed, every call that was counted as started is counted as handled, and
// no more was queued than the limits allow.
//
// The input: a byte below 0xf8 is the length of the portion that follows; 0xf8 is one of 1000 bytes; 0xf9 one of 16
// KiB; the others are events: see Act. The first byte's lowest bit says whether the preface and the settings come for
// free.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "glog/logging.h"
#include "server/rpc/h2_connection.h"
#include "server/runtime/clock.h"
#include "tests/server/rpc_h2_client.h"

namespace regent::server {
namespace {

struct Tally {
  int opened = 0;
  int done = 0;
  int destroyed = 0;
  std::vector<std::shared_ptr<api::Call>> held;
};
Tally* tally = nullptr;  // of the input that runs

api::SharedBytes Bytes(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

class EchoStream final : public api::StreamHandler {
 public:
  explicit EchoStream(std::shared_ptr<api::Call> call) : call_(std::move(call)) { ++tally->opened; }
  ~EchoStream() override { ++tally->destroyed; }
  void OnMessage(std::string_view message) override {
    CHECK(!done_);
    if (call_->unsent_bytes() < (1 << 20)) call_->Send({Bytes(std::string(message)), Bytes(std::string(5'000, 'e'))});
    if (message == "end") call_->Finish(absl::AbortedError("the end"));
  }
  void OnHalfClose() override {
    CHECK(!done_);
    call_->Finish(absl::OkStatus());
  }
  void OnSent() override { CHECK(!done_); }
  void OnDone() override {
    CHECK(!std::exchange(done_, true));
    ++tally->done;
    call_->Send({Bytes("too late")});
  }

 private:
  const std::shared_ptr<api::Call> call_;
  bool done_ = false;
};

std::vector<api::Method> Methods() {
  using Kind = api::Method::Kind;
  const auto answer = [](api::Call& call, std::string text) {
    call.Send({Bytes(std::move(text))});
    call.Finish(absl::OkStatus());
  };
  return {
      {"/t.T/Echo", Kind::kUnary,
       [answer](std::shared_ptr<api::Call> call, std::string_view request) { answer(*call, std::string(request)); }},
      {"/t.T/Big", Kind::kUnary,
       [answer](std::shared_ptr<api::Call> call, std::string_view) { answer(*call, std::string(100'000, 'b')); }},
      {"/t.T/Hold", Kind::kUnary,
       [](std::shared_ptr<api::Call> call, std::string_view) { tally->held.push_back(std::move(call)); }},
      {"/t.T/Bidi", Kind::kStream, nullptr,
       [](std::shared_ptr<api::Call> call) { return std::make_unique<EchoStream>(std::move(call)); }},
  };
}

class Outbox final : public CallOutbox {
 public:
  void Post(Outgoing outgoing) override { posts_.push_back(std::move(outgoing)); }
  std::vector<Outgoing> Take() { return std::exchange(posts_, {}); }

 private:
  std::vector<Outgoing> posts_;
};

// The server of all inputs; its counters only grow.
struct Service {
  Metrics metrics;
  RpcEngine::Options options;
  MethodTable methods{Methods(), metrics, MetricsDetail::kBasic};
  // Started minus handled, over all methods.
  int64_t Running() {
    int64_t running = 0;
    for (const auto& [method, type] : {std::pair("Echo", "unary"), std::pair("Big", "unary"),
                                       std::pair("Hold", "unary"), std::pair("Bidi", "server_stream")}) {
      running += static_cast<int64_t>(metrics.grpc_server_started_total.With({method, "t.T", type}).value());
      for (const char* code : {"OK", "Canceled", "Unknown", "DeadlineExceeded", "ResourceExhausted", "Aborted",
                               "Unimplemented", "Internal", "Unavailable", "InvalidArgument"}) {
        running -= static_cast<int64_t>(metrics.grpc_server_handled_total.With({code, method, "t.T", type}).value());
      }
    }
    return running;
  }
};

class Conversation {
 public:
  explicit Conversation(Service& service) : outbox_(std::make_shared<Outbox>()) {
    auto [server, client] = ConnectedSockets();
    client_ = std::move(client);
    connection_ = std::make_unique<H2Connection>(
        1, std::move(server), H2Connection::Environment{service.options, service.methods, outbox_, events_}, now_);
  }
  ~Conversation() {
    connection_.reset();
    Settle();
    tally->held.clear();
  }

  void Feed(std::string_view bytes) {
    while (!bytes.empty() && connection_ != nullptr) {
      const ssize_t sent = send(client_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
      while (connection_ != nullptr && connection_->OnReadable(now_)) Settle();
      Settle();
      if (sent <= 0) return;  // the server reads no more
    }
  }
  void Act(uint8_t event) {
    if (connection_ == nullptr) return;
    switch (event) {
      case 0xfa:
        reads_ = !reads_;
        break;
      case 0xfb:
        now_ += std::chrono::milliseconds(150);
        connection_->Tick(now_);
        break;
      case 0xfc:
        for (const std::shared_ptr<api::Call>& call : std::exchange(tally->held, {})) {
          call->Send({Bytes("late")});
          call->Finish(absl::OkStatus());
        }
        break;
      case 0xfd:
        tally->held.clear();
        break;
      case 0xfe:
        connection_->GoAway();
        break;
      default:
        connection_->CancelAll(absl::UnavailableError("etcdserver: server stopped"));
    }
    Settle();
  }

 private:
  // What an engine thread does until nothing is left.
  void Settle() {
    bool more = true;
    while (more) {
      std::vector<CallEvent> events = std::exchange(events_, {});
      for (CallEvent& event : events) event.Run();
      std::vector<Outgoing> posts = outbox_->Take();
      more = !events.empty() || !posts.empty();
      if (connection_ == nullptr) continue;
      for (Outgoing& post : posts) {
        const int32_t stream = post.to.stream;
        connection_->Answer(stream, std::move(post));
      }
      more |= connection_->Flush();
      CHECK_LE(connection_->queued_bytes(), AnswerBudget::kQueuedBytesMax + size_t{600} * 100'005);
      if (connection_->dead()) connection_.reset();
      if (reads_) more |= Drain();
    }
  }
  bool Drain() {
    static char buffer[1 << 18];
    return recv(client_.get(), buffer, sizeof buffer, 0) > 0;
  }

  const std::shared_ptr<Outbox> outbox_;
  std::vector<CallEvent> events_;
  MonotonicTime now_ = SteadyNow();
  OwnedFd client_;
  std::unique_ptr<H2Connection> connection_;
  bool reads_ = true;
};

void Run(std::string_view input) {
  static Service* const service = new Service();
  Tally counts;
  tally = &counts;
  const int64_t running_before = service->Running();
  {
    Conversation conversation(*service);
    if ((input[0] & 1) == 0) conversation.Feed(std::string(kPreface) + Frame(NGHTTP2_SETTINGS, 0, 0, ""));
    input.remove_prefix(1);
    while (!input.empty()) {
      const auto first = static_cast<uint8_t>(input[0]);
      input.remove_prefix(1);
      if (first > 0xf9) {
        conversation.Act(first);
        continue;
      }
      const size_t size = first < 0xf8 ? first : first == 0xf8 ? 1000 : 16'393;
      const std::string_view portion = input.substr(0, size);
      conversation.Feed(portion);
      input.remove_prefix(portion.size());
    }
  }
  CHECK_EQ(counts.opened, counts.done);
  CHECK_EQ(counts.opened, counts.destroyed);
  CHECK_EQ(service->Running(), running_before);
  tally = nullptr;
}

}  // namespace
}  // namespace regent::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0) regent::server::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
