// Both RPC engines behind the real listener, driven by gRPC's own C++ client and by raw sockets.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <thread>

#include "server/rpc/grpc_engine.h"
#include "server/rpc/h2_engine.h"
#include "server/rpc/listener.h"
#include "server/runtime/socket.h"
#include "tests/server/rpc_fake_backend.h"
#include "tests/server/rpc_grpc_client.h"
#include "tests/server/rpc_test_service.h"

namespace regent::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace std::chrono_literals;

struct Engine {
  const char* name;
  bool is_grpc;
  int threads;
};

class RpcEngineTest : public ::testing::TestWithParam<Engine> {
 protected:
  void SetUp() override { options_.threads = GetParam().threads; }

  void Start() {
    options_.methods = service_.Methods();
    engine_ = GetParam().is_grpc ? StartGrpcEngine(options_, metrics_).value() : StartH2Engine(options_, metrics_);
    unix_path_ = ::testing::TempDir() + "/rpc_test_" + std::to_string(getpid());
    auto listener = Listener::Open({.addresses = {{{.host = "127.0.0.1"}}, {{.is_unix = true, .host = unix_path_}}}},
                                   endpoints_, [this](int fd) { engine_->AddConnection(fd); });
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    listener_->Start();
    channel_ = NewChannel();
  }
  void Shutdown(std::chrono::nanoseconds drain) {
    listener_->Stop();
    engine_->Shutdown(drain);
  }
  void TearDown() override {
    channel_.reset();
    if (engine_ == nullptr) return;
    Shutdown(0ns);
    EXPECT_EQ(service_.streams_done, service_.streams_opened);
    EXPECT_EQ(service_.handlers_destroyed, service_.streams_opened);
    EXPECT_EQ(service_.calls_after_done, 0);
  }

  std::string target() const { return "127.0.0.1:" + std::to_string(listener_->addresses()[0].port); }
  std::shared_ptr<grpc::Channel> NewChannel(grpc::ChannelArguments arguments = {}) {
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetMaxSendMessageSize(-1);
    return grpc::CreateCustomChannel(target(), grpc::InsecureChannelCredentials(), arguments);
  }
  OwnedFd DialRaw() {
    OwnedFd fd(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(listener_->addresses()[0].port);
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    return fd;
  }

  TestService service_;
  FakeBackend backend_;
  Metrics metrics_;
  HttpEndpoints endpoints_{{.versions =
                                [] {
                                  return HttpEndpoints::Versions{"3.7.3", "3.7.0", "3.7.0"};
                                }},
                           backend_,
                           metrics_};
  RpcEngine::Options options_;
  std::string unix_path_;
  std::unique_ptr<RpcEngine> engine_;
  std::unique_ptr<Listener> listener_;
  std::shared_ptr<grpc::Channel> channel_;
};

INSTANTIATE_TEST_SUITE_P(Engines, RpcEngineTest,
                         ::testing::Values(Engine{"H2", false, 1}, Engine{"H2OnTwoThreads", false, 2},
                                           Engine{"Grpc", true, 1}, Engine{"GrpcOnTwoThreads", true, 2}),
                         [](const auto& tested) { return tested.param.name; });

TEST_P(RpcEngineTest, AUnaryCallIsAnsweredAndCounted) {
  Start();
  const UnaryResult result = CallUnary(channel_, "/test.Echo/Unary", "hello");
  EXPECT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.reply, "hello");
  EXPECT_EQ(CallUnary(channel_, "/test.Echo/Unary", "").reply, "");
  Shutdown(1s);
  EXPECT_EQ(metrics_.grpc_server_started_total.With({"Unary", "test.Echo", "unary"}).value(), 2u);
  EXPECT_EQ(metrics_.grpc_server_handled_total.With({"OK", "Unary", "test.Echo", "unary"}).value(), 2u);
  EXPECT_EQ(metrics_.grpc_server_msg_received_total.With({"Unary", "test.Echo", "unary"}).value(), 2u);
  EXPECT_EQ(metrics_.grpc_server_msg_sent_total.With({"Unary", "test.Echo", "unary"}).value(), 2u);
  EXPECT_EQ(metrics_.network_client_grpc_received_bytes_total.value(), 5u);
  EXPECT_EQ(metrics_.network_client_grpc_sent_bytes_total.value(), 5u);
  EXPECT_THAT(metrics_.registry.Text(),
              HasSubstr("grpc_server_handled_total{grpc_code=\"Aborted\",grpc_method=\"Bidi\","
                        "grpc_service=\"test.Echo\",grpc_type=\"server_stream\"} 0\n"));
}

TEST_P(RpcEngineTest, AnErrorArrivesWithItsCodeAndItsExactText) {
  Start();
  const UnaryResult result = CallUnary(channel_, "/test.Echo/Fail", "x");
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(result.status.error_message(), TestService::Failure().message());
}

TEST_P(RpcEngineTest, UnknownMethodsAreUnimplementedInGosWords) {
  Start();
  const grpc::Status method = CallUnary(channel_, "/test.Echo/Nothing", "x").status;
  EXPECT_EQ(method.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(method.error_message(), "unknown method Nothing for service test.Echo");
  EXPECT_EQ(CallUnary(channel_, "/no.Service/Nothing", "x").status.error_message(), "unknown service no.Service");
  EXPECT_EQ(ClientStream(channel_, "/no.Service/Stream").Finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_P(RpcEngineTest, LargeAnswersArriveWholeWhateverTheirPieces) {
  Start();
  for (const size_t size : {size_t{0}, size_t{1}, size_t{2048}, size_t{2049}, size_t{70'000}, size_t{16} << 20}) {
    const UnaryResult result = CallUnary(channel_, "/test.Echo/Big", std::to_string(size));
    ASSERT_TRUE(result.status.ok()) << result.status.error_message();
    ASSERT_EQ(result.reply.size(), size);
    size_t wrong = 0;
    for (size_t i = 0; i < size; ++i) wrong += result.reply[i] != static_cast<char>('a' + i % 26);
    EXPECT_EQ(wrong, 0u);
  }
}

TEST_P(RpcEngineTest, ARequestAboveTheLimitIsRefusedInEtcdsWordsAndTheConnectionLives) {
  options_.max_request_bytes = 1000;
  Start();
  const size_t max = 1000 + RpcEngine::kOverheadBytes;
  EXPECT_TRUE(CallUnary(channel_, "/test.Echo/Unary", std::string(max, 'x')).status.ok());
  const grpc::Status refused = CallUnary(channel_, "/test.Echo/Unary", std::string(max + 1, 'x')).status;
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(refused.error_message(), "grpc: received message larger than max (525289 vs. 525288)");
  const grpc::Status huge = CallUnary(channel_, "/test.Echo/Unary", std::string(65 << 20, 'x')).status;
  EXPECT_EQ(huge.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  ClientStream stream(channel_, "/test.Echo/Bidi");
  stream.Write(std::string(max + 1, 'x'));
  EXPECT_FALSE(stream.Read().has_value());
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(CallUnary(channel_, "/test.Echo/Unary", "x").status.ok());
}

TEST_P(RpcEngineTest, AStreamEchoesInOrderAndEndsAfterHalfClose) {
  Start();
  ClientStream stream(channel_, "/test.Echo/Bidi");
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(stream.Write(std::to_string(i)));
    EXPECT_EQ(stream.Read(), "echo " + std::to_string(i));
  }
  stream.HalfClose();
  EXPECT_EQ(stream.Read(), "goodbye");
  EXPECT_EQ(stream.Read(), std::nullopt);
  EXPECT_TRUE(stream.Finish().ok());
  service_.AwaitStreams(0);
  EXPECT_EQ(service_.half_closes, 1);
  EXPECT_GT(service_.sent_events, 99);
}

TEST_P(RpcEngineTest, ManyMessagesSentAtOnceLeaveInOrder) {
  Start();
  ClientStream stream(channel_, "/test.Echo/Bidi");
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(stream.Write(std::to_string(i)));
  for (int i = 0; i < 200; ++i) EXPECT_EQ(stream.Read(), "echo " + std::to_string(i));
}

TEST_P(RpcEngineTest, AClientThatDoesNotReadIsSeenInUnsentBytesAndLosesNothing) {
  Start();
  grpc::ChannelArguments fixed_window;  // otherwise the client's transport reads ahead by megabytes
  fixed_window.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  ClientStream stream(NewChannel(fixed_window), "/test.Echo/Bidi");
  stream.Write("flood:2000");
  stream.Write("unsent");
  service_.AwaitUnsent();
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(stream.Read()->size(), 1024u);
  EXPECT_GT(std::stoi(*stream.Read()), 100'000) << "the engine hid two megabytes in the transport";
  stream.Write("unsent");
  EXPECT_LT(std::stoi(*stream.Read()), 100) << "only the answer before this one may be on its way";
}

TEST_P(RpcEngineTest, ASlowStreamDelaysNoOtherOnTheSameConnection) {
  Start();
  ClientStream slow(channel_, "/test.Echo/Bidi");
  slow.Write("flood:20000");
  for (int i = 0; i < 50; ++i) EXPECT_EQ(CallUnary(channel_, "/test.Echo/Unary", "x", 5s).reply, "x");
}

TEST_P(RpcEngineTest, MetadataAndDeadlineAreSeen) {
  Start();
  ClientStream stream(channel_, "/test.Echo/Bidi", [](grpc::ClientContext& context) {
    context.AddMetadata("hasleader", "true");
    context.AddMetadata("token", "a-token-that-is-longer-than-a-short-string");
    context.set_deadline(std::chrono::system_clock::now() + 1h);
  });
  stream.Write("metadata:hasleader");
  EXPECT_EQ(stream.Read(), "true");
  stream.Write("metadata:token");
  EXPECT_EQ(stream.Read(), "a-token-that-is-longer-than-a-short-string");
  stream.Write("metadata:nothing");
  EXPECT_EQ(stream.Read(), "absent");
  stream.Write("deadline");
  EXPECT_EQ(stream.Read(), "some");
  ClientStream unlimited(channel_, "/test.Echo/Bidi");
  unlimited.Write("deadline");
  EXPECT_EQ(unlimited.Read(), "none");
}

TEST_P(RpcEngineTest, TheDeadlineThatAHandlerSeesIsTheClients) {
  Start();
  std::thread client([&] { EXPECT_EQ(CallUnary(channel_, "/test.Echo/Hold", "x", 30s).reply, "late"); });
  const std::shared_ptr<api::Call> call = service_.AwaitHeld("x");
  const auto left = call->deadline() - std::chrono::steady_clock::now();
  EXPECT_GT(left, 20s);
  EXPECT_LE(left, 31s);
  call->Send({Shared("late")});
  call->Finish(absl::OkStatus());
  call->Finish(absl::InternalError("the second does not count"));
  client.join();
}

TEST_P(RpcEngineTest, ACallWhoseClientGaveUpMayStillBeAnsweredInVain) {
  Start();
  const UnaryResult result = CallUnary(channel_, "/test.Echo/Hold", "x", 100ms);
  EXPECT_EQ(result.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  const std::shared_ptr<api::Call> call = service_.AwaitHeld("x");
  call->Send({Shared("x")});
  call->Finish(absl::OkStatus());
  Shutdown(1s);
  EXPECT_EQ(call->Metadata("nothing"), std::nullopt);
  call->Send({Shared("after the engine's end")});
  call->Finish(absl::OkStatus());
}

TEST_P(RpcEngineTest, ACallThatItsHandlerForgetsDoesNotHang) {
  Start();
  EXPECT_EQ(CallUnary(channel_, "/test.Echo/Drop", "x").status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_P(RpcEngineTest, CancelledAndBrokenStreamsAreDoneOnce) {
  Start();
  ClientStream cancelled(channel_, "/test.Echo/Quiet");
  auto broken_channel = NewChannel();
  auto broken = std::make_unique<ClientStream>(broken_channel, "/test.Echo/Quiet");
  ClientStream half_closed(channel_, "/test.Echo/Quiet");
  service_.AwaitStreams(3);
  half_closed.HalfClose();
  cancelled.Cancel();
  service_.AwaitStreams(2);
  broken.reset();
  broken_channel.reset();
  service_.AwaitStreams(1);
  half_closed.Cancel();
  service_.AwaitStreams(0);
  EXPECT_EQ(service_.streams_done, 3);
  Shutdown(1s);
  EXPECT_EQ(metrics_.grpc_server_handled_total.With({"Canceled", "Quiet", "test.Echo", "server_stream"}).value(), 3u);
}

TEST_P(RpcEngineTest, AStreamThatPassesItsDeadlineIsDone) {
  Start();
  ClientStream stream(channel_, "/test.Echo/Quiet", [](grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + 200ms);
  });
  EXPECT_FALSE(stream.Read().has_value());
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  service_.AwaitStreams(0);
}

TEST_P(RpcEngineTest, AThousandStreamsLiveOnOneConnection) {
  Start();
  std::vector<std::unique_ptr<ClientStream>> streams;
  for (int i = 0; i < 1000; ++i) streams.push_back(std::make_unique<ClientStream>(channel_, "/test.Echo/Bidi"));
  for (auto& stream : streams) stream->Write("a");
  for (auto& stream : streams) EXPECT_EQ(stream->Read(), "echo a");
  service_.AwaitStreams(1000);
  for (size_t i = 0; i < 500; ++i) streams[i].reset();
  service_.AwaitStreams(500);
  streams.clear();
  service_.AwaitStreams(0);
}

TEST_P(RpcEngineTest, TheLimitOfConcurrentStreamsIsAnnounced) {
  options_.max_concurrent_streams = 1;
  Start();
  ClientStream first(channel_, "/test.Echo/Quiet");
  service_.AwaitStreams(1);
  EXPECT_EQ(CallUnary(channel_, "/test.Echo/Unary", "x", 300ms).status.error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  first.Cancel();
  EXPECT_EQ(CallUnary(channel_, "/test.Echo/Unary", "x", 10s).reply, "x");
}

TEST_P(RpcEngineTest, AUnixSocketServesToo) {
  Start();
  const auto channel = grpc::CreateChannel("unix:" + unix_path_, grpc::InsecureChannelCredentials());
  EXPECT_EQ(CallUnary(channel, "/test.Echo/Unary", "hello", 5s).reply, "hello");
}

TEST_P(RpcEngineTest, HttpIsAnsweredOnTheSamePort) {
  Start();
  const OwnedFd fd = DialRaw();
  constexpr std::string_view kRequest = "GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  ASSERT_EQ(send(fd.get(), kRequest.data(), kRequest.size(), 0), static_cast<ssize_t>(kRequest.size()));
  std::string answer(1000, '\0');
  answer.resize(static_cast<size_t>(recv(fd.get(), answer.data(), answer.size(), 0)));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(CallUnary(channel_, "/test.Echo/Unary", "hello").reply, "hello");
}

TEST_P(RpcEngineTest, BrokenHttp2IsDroppedAndHarmsNobody) {
  Start();
  for (const std::string_view junk :
       {std::string_view("PRI * HTTP/1.1\r\n\r\n"),
        std::string_view("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff", 33)}) {
    const OwnedFd fd = DialRaw();
    send(fd.get(), junk.data(), junk.size(), MSG_NOSIGNAL);
    pollfd readable{fd.get(), POLLIN, 0};
    char buffer[1024];
    ssize_t size = 1;
    while (size > 0 && poll(&readable, 1, 10'000) == 1) size = recv(fd.get(), buffer, sizeof buffer, 0);
    EXPECT_LE(size, 0) << "the connection is still open";
  }
  EXPECT_EQ(CallUnary(channel_, "/test.Echo/Unary", "x").reply, "x");
}

// An HTTP/2 client of a few frames: the preface, one stream if asked for, pings without end.
std::string ReadGoAwayAfterPings(const OwnedFd& fd, bool with_stream, int milliseconds_between, int count) {
  const auto frame = [](uint8_t type, uint8_t flags, uint8_t stream, std::string_view payload) {
    std::string out{0, 0, static_cast<char>(payload.size()), static_cast<char>(type), static_cast<char>(flags), 0,
                    0, 0, static_cast<char>(stream)};
    return out + std::string(payload);
  };
  const auto literal = [](std::string_view name, std::string_view value) {
    return std::string(1, '\0') + static_cast<char>(name.size()) + std::string(name) + static_cast<char>(value.size()) +
           std::string(value);
  };
  std::string out = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, "");
  if (with_stream) {
    out +=
        frame(1, 4, 1,
              literal(":method", "POST") + literal(":scheme", "http") + literal(":path", "/test.Echo/Quiet") +
                  literal(":authority", "x") + literal("te", "trailers") + literal("content-type", "application/grpc"));
  }
  send(fd.get(), out.data(), out.size(), MSG_NOSIGNAL);
  std::string got;
  char buffer[4096];
  for (int i = 0; i < count; ++i) {
    const std::string ping = frame(6, 0, 0, "12345678");
    if (send(fd.get(), ping.data(), ping.size(), MSG_NOSIGNAL) < 0) break;
    pollfd readable{fd.get(), POLLIN, 0};
    poll(nullptr, 0, milliseconds_between);
    while (poll(&readable, 1, 0) == 1) {
      const ssize_t size = recv(fd.get(), buffer, sizeof buffer, 0);
      if (size <= 0) return got;
      got.append(buffer, static_cast<size_t>(size));
    }
  }
  return got;
}

TEST_P(RpcEngineTest, AClientThatPingsTooOftenIsSentAway) {
  Start();
  const OwnedFd fd = DialRaw();
  EXPECT_THAT(ReadGoAwayAfterPings(fd, /*with_stream=*/true, 20, 50), HasSubstr("too_many_pings"));
}

TEST_P(RpcEngineTest, AClientThatKeepsTheMinimumTimeMayPingForEver) {
  options_.keepalive_min_time = 50ms;
  Start();
  const OwnedFd fd = DialRaw();
  const std::string got = ReadGoAwayAfterPings(fd, /*with_stream=*/true, 70, 20);
  EXPECT_EQ(got.find("too_many_pings"), std::string::npos);
  const OwnedFd idle = DialRaw();  // without a running RPC pings are not welcome
  EXPECT_THAT(ReadGoAwayAfterPings(idle, /*with_stream=*/false, 70, 20), HasSubstr("too_many_pings"));
}

TEST_P(RpcEngineTest, ShutdownWaitsForCallsThatEndInTime) {
  Start();
  std::string reply;
  std::thread client([&] { reply = CallUnary(channel_, "/test.Echo/Hold", "x").reply; });
  std::shared_ptr<api::Call> call = service_.AwaitHeld("x");
  std::thread answer([call] {
    poll(nullptr, 0, 200);
    call->Send({Shared("in time")});
    call->Finish(absl::OkStatus());
  });
  Shutdown(10s);
  client.join();
  answer.join();
  EXPECT_EQ(reply, "in time");
}

TEST_P(RpcEngineTest, ShutdownUnderLoadCancelsWhatIsLeftAndReturns) {
  Start();
  std::atomic<bool> stop{false};
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      const auto channel = NewChannel();
      std::vector<std::unique_ptr<ClientStream>> streams;
      for (int n = 0; !stop.load(); ++n) {
        if (!CallUnary(channel, "/test.Echo/Unary", "x", 2s).status.ok()) break;
        if (n % 10 == 0)
          streams.push_back(std::make_unique<ClientStream>(channel, n % 20 ? "/test.Echo/Quiet" : "/test.Echo/Bidi"));
        if (n % 20 == 0) streams.back()->Write("flood:100");
      }
    });
  }
  std::thread holder([&] { (void)CallUnary(channel_, "/test.Echo/Hold", "x"); });
  const std::shared_ptr<api::Call> held = service_.AwaitHeld("x");
  poll(nullptr, 0, 500);
  const auto begin = std::chrono::steady_clock::now();
  Shutdown(100ms);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s);
  EXPECT_EQ(service_.streams_done, service_.streams_opened);
  stop.store(true);
  for (std::thread& client : clients) client.join();
  holder.join();
}

TEST_P(RpcEngineTest, SendAndFinishFromManyThreadsRaceWithCancellation) {
  Start();
  for (int round = 0; round < 200; ++round) {
    std::thread client([&] {
      CallUnary(channel_, "/test.Echo/Hold", std::to_string(round), {}, [&](grpc::ClientContext& context) {
        if (round % 2 == 0)
          context.set_deadline(std::chrono::system_clock::now() + std::chrono::microseconds(500 + 10 * round));
      });
    });
    if (round % 2 == 0) {
      client.join();  // the call may not even have reached the handler
      continue;
    }
    const std::shared_ptr<api::Call> call = service_.AwaitHeld(std::to_string(round));
    std::thread other([call] { call->Finish(absl::AbortedError("other")); });
    call->Send({Shared("x")});
    call->Finish(absl::OkStatus());
    other.join();
    client.join();
  }
}

TEST_P(RpcEngineTest, ShutdownWithoutAnyConnectionReturns) { Start(); }

}  // namespace
}  // namespace regent::server
