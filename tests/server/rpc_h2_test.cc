// The HTTP/2 engine driven by an HTTP/2 client without gRPC, so that it runs under every sanitizer: what gRPC's own
// client does not do, cannot show, or hides.
#include <gtest/gtest.h>

#include <condition_variable>
#include <random>
#include <thread>

#include "server/rpc/h2_answer_budget.h"
#include "server/runtime/pool.h"
#include "tests/server/rpc_h2_fixture.h"

namespace regent::server {
namespace {

using namespace std::chrono_literals;

constexpr uint32_t kHugeWindow = 0x7fffffff;

TEST_F(H2EngineTest, AUnaryCallIsAnswered) {
  Start();
  H2TestClient client(Connect());
  const int32_t id = client.Call("/test.Echo/Unary", "hello");
  ASSERT_TRUE(client.AwaitClosed(id));
  EXPECT_EQ(client.stream(id).in, GrpcMessage("hello"));
  EXPECT_EQ(client.stream(id).status(), "0");
  EXPECT_EQ(client.stream(id).Last(":status"), "200");
}

TEST_F(H2EngineTest, RequestsAreCountedByTheVersionOfTheirClient) {
  Start();
  H2TestClient client(Connect());
  const auto call = [&](const HeaderList& more) {
    ASSERT_TRUE(client.AwaitClosed(client.Call("/test.Echo/Unary", "x", more)));
  };
  const auto count = [&](const std::string& version) {
    return metrics_.server_client_requests_total.With({version, "unary"}).value();
  };
  call({{"client-api-version", "3.7"}});
  call({{"client-api-version", "3.7"}});
  call({});
  call({{"client-api-version", std::string(100, '9')}});
  EXPECT_EQ(count("3.7"), 2u);
  EXPECT_EQ(count("unknown"), 2u);
  for (int i = 0; i < 50; ++i) call({{"client-api-version", std::to_string(i)}});
  EXPECT_EQ(count("unknown"), 2u + 50 - 30);  // 32 are told apart, no version and 3.7 among them
}

// Go's client tells an early end from a broken stream by the code of the reset.
TEST_F(H2EngineTest, AnAnswerBeforeTheRequestsEndIsFollowedByAResetWithoutError) {
  Start();
  H2TestClient client(Connect());
  const int32_t id = client.Open(GrpcHeaders("/test.Echo/Fail"));
  client.Write(id, "x");
  ASSERT_TRUE(client.AwaitClosed(id));
  EXPECT_EQ(client.stream(id).error, uint32_t{NGHTTP2_NO_ERROR});
  EXPECT_EQ(client.stream(id).status(), "11");
  EXPECT_TRUE(client.stream(id).trailers.empty()) << "an error without a message is one block of headers";
}

TEST_F(H2EngineTest, MalformedRequestsAreRefusedAsGosServerDoes) {
  Start();
  H2TestClient client(Connect());
  const auto refused = [&](HeaderList headers, const char* http, const char* status) {
    const int32_t id = client.Open(headers);
    client.HalfClose(id);
    EXPECT_TRUE(client.AwaitClosed(id));
    EXPECT_EQ(client.stream(id).Last(":status"), http);
    EXPECT_EQ(client.stream(id).status(), status) << client.stream(id).Last("grpc-message");
  };
  HeaderList get = GrpcHeaders("/test.Echo/Unary");
  get[0].second = "GET";
  refused(get, "405", "13");
  HeaderList text = GrpcHeaders("/test.Echo/Unary");
  text.back().second = "text/plain";
  refused(text, "415", "3");
  for (const char* timeout : {"S", "1", "123456789S", "1x", "-1S"}) {
    refused(GrpcHeaders("/test.Echo/Unary", {{"grpc-timeout", timeout}}), "400", "13");
  }
  refused(GrpcHeaders("/Unary"), "200", "12");
  refused(GrpcHeaders("/test.Echo/Unary"), "200", "13");  // no request
  for (const char* timeout : {"0n", "0S"}) {              // no time at all: also for what takes none
    const int32_t id = client.Call("/test.Echo/Unary", "x", {{"grpc-timeout", timeout}});
    EXPECT_TRUE(client.AwaitClosed(id));
    EXPECT_EQ(client.stream(id).status(), "4") << timeout;
  }
  for (const char* timeout : {"99999999H", "99999999M", "1H"}) {
    const int32_t id = client.Call("/test.Echo/Unary", "x", {{"grpc-timeout", timeout}});
    EXPECT_TRUE(client.AwaitClosed(id));
    EXPECT_EQ(client.stream(id).status(), "0") << timeout;
  }
}

TEST_F(H2EngineTest, ARefusalThatQuotesALongPathIsStillSent) {
  Start();
  H2TestClient client(Connect());
  const int32_t id = client.Call("/no.Service/" + std::string(40'000, '%'), "x");
  ASSERT_TRUE(client.AwaitClosed(id)) << "the text was too long for a block of headers";
  EXPECT_EQ(client.stream(id).status(), "12");
}

// The call's frame is begun, the socket is full, the deadline ends the call, the socket takes again.
TEST_F(H2EngineTest, ACallMayBeCutOffWhileItsFrameWaitsForTheSocket) {
  Start();
  for (const std::string path : {"/test.Echo/Bidi", "/test.Echo/Big", "/test.Echo/Source"}) {
    const bool is_stream = path == "/test.Echo/Bidi";
    H2TestClient client(Connect(), kHugeWindow);
    const int32_t id = client.Open(GrpcHeaders(path, {{"grpc-timeout", "300m"}}));
    client.Write(id, is_stream ? "flood:20000" : "20000000");
    client.Pump(1ms);
    poll(nullptr, 0, 800);
    ASSERT_TRUE(client.AwaitClosed(id));
    const std::string& in = client.stream(id).in;
    EXPECT_LT(in.size(), 15'000'000u) << "the deadline has not cut the answer";
    EXPECT_NE(client.stream(id).status(), "0");
    const std::string whole = is_stream ? GrpcMessage(std::string(1024, 'f')) : std::string();
    size_t wrong = 0;
    for (size_t i = is_stream ? 0 : kMessagePrefixBytes; i < in.size(); ++i) {
      wrong += in[i] != (is_stream ? whole[i % whole.size()] : static_cast<char>('a' + (i - kMessagePrefixBytes) % 26));
    }
    EXPECT_EQ(wrong, 0u) << "what arrived before the end is not what was sent";
    const int32_t next = client.Call("/test.Echo/Unary", "alive");
    ASSERT_TRUE(client.AwaitClosed(next));
    EXPECT_EQ(client.stream(next).in, GrpcMessage("alive"));
  }
}

TEST_F(H2EngineTest, AnAnswerFromASourceArrivesWholeAndIsReadNoFasterThanTheClientReads) {
  Start();
  H2TestClient client(Connect());
  const int32_t slow = client.Call("/test.Echo/Source", "50000000");
  client.Pump(1ms);
  poll(nullptr, 0, 300);
  EXPECT_LT(service_.source_bytes_read.load(), 20'000'000u) << "read ahead of the client";
  std::vector<int32_t> others;
  for (int i = 0; i < 30; ++i) others.push_back(client.Call("/test.Echo/Source", std::to_string(1 + i * 100'000)));
  ASSERT_TRUE(client.AwaitClosed(slow));
  const std::string& in = client.stream(slow).in;
  ASSERT_EQ(in.size(), 50'000'000 + kMessagePrefixBytes);
  EXPECT_EQ(client.stream(slow).status(), "0");
  size_t wrong = 0;
  for (size_t i = kMessagePrefixBytes; i < in.size(); ++i) {
    wrong += in[i] != static_cast<char>('a' + (i - kMessagePrefixBytes) % 26);
  }
  EXPECT_EQ(wrong, 0u);
  for (size_t i = 0; i < others.size(); ++i) {
    ASSERT_TRUE(client.AwaitClosed(others[i])) << i;
    EXPECT_EQ(client.stream(others[i]).in.size(), 1 + i * 100'000 + kMessagePrefixBytes);
    EXPECT_EQ(client.stream(others[i]).status(), "0") << i;
  }
}

// The last bytes and the end arrive together: epoll tells of them once.
TEST_F(H2EngineTest, AnEndThatComesWithTheLastBytesIsSeen) {
  Start();
  for (int round = 0; round < 20; ++round) {
    auto [server, client] = ConnectedSockets();
    RawPeer peer(std::move(client));
    ASSERT_TRUE(peer.Send(std::string(kPreface) + Frame(NGHTTP2_SETTINGS, 0, 0, "") +
                              HeadersFrame(1, "/test.Echo/Quiet") + HeadersFrame(3, "/test.Echo/Hold"),
                          false));
    shutdown(server.get(), SHUT_RD);  // as if the client's end were here already
    engine_->AddConnection(server.Release());
    ASSERT_TRUE(peer.AwaitClose(10s));
  }
  service_.AwaitStreams(0);
}

TEST_F(H2EngineTest, ShutdownRightAfterTheStartReturns) {
  for (int round = 0; round < 300; ++round) {
    RpcEngine::Options options;
    options.methods = service_.Methods();
    Metrics metrics;
    const std::unique_ptr<RpcEngine> engine = StartH2Engine(options, metrics);
    for (int spin = round * 20; spin > 0; --spin) asm volatile("");
    engine->Shutdown(0ns);
  }
}

TEST_F(H2EngineTest, ShutdownSaysGoAwayAndLetsCallsEnd) {
  Start();
  H2TestClient client(Connect());
  const int32_t id = client.Call("/test.Echo/Hold", "x");
  client.Pump(10ms);
  std::thread shutdown([&] { Shutdown(20s); });
  const std::shared_ptr<api::Call> call = service_.AwaitHeld("x");
  EXPECT_TRUE(client.PumpUntil([&] { return client.goaway().has_value(); }));
  EXPECT_EQ(client.goaway(), uint32_t{NGHTTP2_NO_ERROR});
  call->Send({Shared("late")});
  call->Finish(absl::OkStatus());
  EXPECT_TRUE(client.AwaitClosed(id));
  EXPECT_EQ(client.stream(id).in, GrpcMessage("late"));
  shutdown.join();
}

// Go's client interleaves concurrent requests: hundreds of large ones are incomplete at the same moment.
TEST_F(H2EngineTest, ManyLargeInterleavedRequestsAllArrive) {
  Start();
  H2TestClient client(Connect());
  std::vector<int32_t> calls;
  for (int i = 0; i < 200; ++i) {
    calls.push_back(client.Call("/test.Echo/Fail", std::string(1'000'000, static_cast<char>('a' + i % 26))));
  }
  for (size_t i = 0; i < calls.size(); i += 7) {
    client.Pump(1ms);
    client.Reset(calls[i]);  // among them some that the others wait for
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    ASSERT_TRUE(client.AwaitClosed(calls[i])) << i;
    if (i % 7 != 0) {
      EXPECT_EQ(client.stream(calls[i]).status(), "11") << i;
    }
  }
}

TEST_F(H2EngineTest, RequestsThatWaitedForUnreadAnswersAreAnsweredInTheEnd) {
  Start();
  H2TestClient client(Connect());
  std::vector<int32_t> calls;
  for (int i = 0; i < 200; ++i) calls.push_back(client.Call("/test.Echo/Big", "1000000"));
  client.Pump(1ms);
  poll(nullptr, 0, 300);
  EXPECT_LE(metrics_.grpc_server_msg_sent_total.With({"Big", "test.Echo", "unary"}).value(), 40u)
      << "more answers than the budget are queued";
  for (const int32_t id : calls) {
    ASSERT_TRUE(client.AwaitClosed(id));
    ASSERT_EQ(client.stream(id).in.size(), 1'000'005u);
  }
}

// Lock() of etcd's client may wait for minutes: it must stop nobody, whatever the answers before it were.
TEST_F(H2EngineTest, CallsThatWaitLongDoNotStopTheConnection) {
  Start();
  H2TestClient client(Connect());
  ASSERT_TRUE(client.AwaitClosed(client.Call("/test.Echo/Big", "10000000")));
  for (int i = 0; i < 100; ++i) client.Call("/test.Echo/Hold", std::to_string(i));
  const int32_t id = client.Call("/test.Echo/Unary", "x");
  ASSERT_TRUE(client.AwaitClosed(id));
  for (int i = 0; i < 100; ++i) service_.AwaitHeld(std::to_string(i))->Finish(absl::AbortedError("enough"));
}

TEST(AnswerBudgetTest, TrustIsLostAtOnceAndWonBackSlowly) {
  AnswerBudget budget;
  int started = 0;
  for (; budget.MayStart(10); ++started) budget.OnStart();
  EXPECT_EQ(started, 32);
  EXPECT_TRUE(budget.MayStart(2000)) << "a write";
  for (; started > 0; --started) budget.OnAnswer(100);
  budget.OnGone(3200);
  for (; budget.MayStart(10) && started < 1500; ++started) budget.OnStart();
  EXPECT_EQ(started, 1500) << "small answers";
  budget.OnAnswer(20'000'000);
  EXPECT_FALSE(budget.MayStart(10));
  EXPECT_TRUE(budget.MayStart(2000));
  budget.OnAnswer(20'000'000);
  EXPECT_FALSE(budget.MayStart(2000)) << "what is queued stops everybody";
  budget.OnGone(40'000'000);
  EXPECT_FALSE(budget.MayStart(10));
  budget.OnTick();
  EXPECT_TRUE(budget.MayStart(10));
}

// ---- stress --------------------------------------------------------------------------------------------------------

// Calls wait here for threads that answer them, each in its own way, some twice and from two threads.
class LateAnswers {
 public:
  explicit LateAnswers(uint64_t seed) {
    for (uint64_t i = 0; i < 2; ++i) threads_.emplace_back([this, seed, i] { Answer(seed * 31 + i); });
  }
  void Take(std::shared_ptr<api::Call> call) {
    const std::lock_guard lock(mutex_);
    calls_.push_back(std::move(call));
    changed_.notify_one();
  }
  void Stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
    pool_.Stop();  // its tasks hold calls, and those hold their worker's files
  }

 private:
  void Answer(uint64_t seed) {
    std::mt19937_64 random(seed);
    while (true) {
      std::shared_ptr<api::Call> call;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return stopping_ || !calls_.empty(); });
        if (calls_.empty()) return;
        call = std::move(calls_.front());
        calls_.erase(calls_.begin());
      }
      switch (random() % 5) {
        case 0:
          call->Finish(absl::AbortedError("no"));
          break;
        case 1:
          break;  // forgotten
        case 2:
          pool_.Post([call] { call->Finish(absl::CancelledError("the other thread")); });
          [[fallthrough]];
        default:
          call->Send(TestService::Pieces(random() % 3 == 0 ? random() % 200'000 : 20));
          call->Finish(absl::OkStatus());
      }
    }
  }
  Pool pool_{"late", 2};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<api::Call>> calls_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// A client that does everything that a client can do, well-behaved or not.
class RandomClient {
 public:
  RandomClient(uint64_t seed, std::function<std::optional<OwnedFd>()> connect)
      : random_(seed), connect_(std::move(connect)) {}

  // Until the engine takes no more connections.
  void Run() {
    while (std::optional<OwnedFd> fd = connect_()) {
      H2TestClient client(std::move(*fd), random_() % 3 == 0 ? kHugeWindow : 65'535);
      std::vector<int32_t> ids;
      for (uint64_t steps = 1 + random_() % 200; steps > 0; --steps) {
        Step(client, ids);
        if (!client.Pump(std::chrono::milliseconds(random_() % 8 == 0 ? 1 : 0))) break;
      }
      if (random_() % 4 != 0) continue;  // abruptly
      client.EndSending();
      client.PumpUntil([&] { return client.ended(); }, 5s);
      EXPECT_TRUE(client.ended()) << "the server keeps a connection whose client has ended it";
    }
  }

 private:
  void Step(H2TestClient& client, std::vector<int32_t>& ids) {
    const uint64_t action = random_() % 16;
    if (ids.empty() || action < 6) return ids.push_back(Open(client));
    const int32_t id = ids[random_() % ids.size()];
    if (client.stream(id).closed) return;
    if (action < 11) {
      static const char* const kMessages[] = {"hello", "flood:50", "unsent", "deadline", "metadata:x"};
      client.Write(id, random_() % 10 == 0 ? std::string(random_() % 100'000, 'x') : kMessages[random_() % 5]);
    } else if (action < 13) {
      client.HalfClose(id);
    } else if (action < 15) {
      client.Reset(id);
    } else if (random_() % 20 == 0) {
      client.StopReading();
    }
  }
  int32_t Open(H2TestClient& client) {
    static const char* const kPaths[] = {"Bidi", "Quiet", "Bidi", "Nothing"};
    HeaderList more;
    if (random_() % 4 == 0) more = {{"grpc-timeout", std::to_string(random_() % 150) + "m"}};
    switch (random_() % 8) {
      case 0:
        return client.Call("/test.Echo/Late", "x", more);
      case 1:
        return client.Call("/test.Echo/Late", "x", more);
      case 2:
        return client.Call(random_() % 2 == 0 ? "/test.Echo/Big" : "/test.Echo/Source",
                           std::to_string(1 + random_() % 300'000), more);
      case 3:
        return client.Call("/test.Echo/Unary", std::string(random_() % 3000, 'u'), more);
      case 4: {  // a unary call whose request never comes whole
        const int32_t id = client.Open(GrpcHeaders("/test.Echo/Unary", more));
        client.stream(id).out = GrpcMessage("incomplete").substr(0, random_() % 15);
        return id;
      }
      default:
        return client.Open(GrpcHeaders(std::string("/test.Echo/") + kPaths[random_() % 4], more));
    }
  }
  std::mt19937_64 random_;
  const std::function<std::optional<OwnedFd>()> connect_;
};

class H2StressTest : public H2EngineTest, public ::testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(Seeds, H2StressTest, ::testing::Range(1, 7));

TEST_P(H2StressTest, EveryStreamIsDoneOnceWhateverClientsDo) {
  const auto seed = static_cast<uint64_t>(GetParam());
  SCOPED_TRACE("--gtest_filter=*EveryStreamIsDoneOnce*/" + std::to_string(seed - 1));
  const size_t files_before = OpenFiles();
  LateAnswers late(seed);
  extra_methods_ = {{"/test.Echo/Late", api::Method::Kind::kUnary,
                     [&](std::shared_ptr<api::Call> call, std::string_view) { late.Take(std::move(call)); }}};
  options_.threads = 1 + GetParam() % 2;
  Start();
  Mutex mutex;
  bool accepting = true;
  std::atomic<int> connections{0};
  const auto connect = [&]() -> std::optional<OwnedFd> {
    const MutexLock lock(mutex);
    if (!accepting) return std::nullopt;
    ++connections;
    return Connect();
  };
  std::vector<std::thread> clients;
  for (uint64_t i = 0; i < 4; ++i) {
    clients.emplace_back([&, i] { RandomClient(seed * 100 + i, connect).Run(); });
  }
  poll(nullptr, 0, 2000);
  {
    const MutexLock lock(mutex);
    accepting = false;
  }
  Shutdown(seed % 2 == 0 ? 0ms : 200ms);
  EXPECT_EQ(service_.streams_done, service_.streams_opened);
  for (std::thread& client : clients) client.join();
  late.Stop();
  EXPECT_EQ(Started(metrics_, "Late", "unary"), Handled(metrics_, "Late", "unary"));
  EXPECT_EQ(OpenFiles(), files_before);
  EXPECT_GT(service_.streams_opened, 50) << "too little happened";
  EXPECT_GT(connections, 5);
}

}  // namespace
}  // namespace regent::server
