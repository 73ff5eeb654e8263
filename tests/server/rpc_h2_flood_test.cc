// One plaintext connection against the server: for each flood the limit that it meets, the server's memory, and what
// other clients notice. The memory is the whole process's; the peers keep none of what they send.
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "tests/server/rpc_h2_fixture.h"

namespace regent::server {
namespace {

using namespace std::chrono_literals;

// Sanitizers keep freed memory and slow everything down.
constexpr size_t kMemoryMax = (REGENT_TEST_SANITIZED ? 1'000 : 100) * size_t{1'000'000};
constexpr auto kLatencyMax = REGENT_TEST_SANITIZED ? 10s : 2s;

size_t ResidentBytes() {
  size_t total = 0;
  size_t resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// Another client: one call after the other.
class Bystander {
 public:
  explicit Bystander(OwnedFd fd) : thread_([this, fd = std::move(fd)]() mutable { Run(std::move(fd)); }) {}
  std::chrono::nanoseconds Slowest() {
    stop_.store(true);
    thread_.join();
    return slowest_;
  }

 private:
  void Run(OwnedFd fd) {
    H2TestClient client(std::move(fd));
    for (int calls = 0; !stop_.load() || calls < 10; ++calls) {
      const auto begin = std::chrono::steady_clock::now();
      const int32_t id = client.Call("/test.Echo/Unary", "x");
      EXPECT_TRUE(client.AwaitClosed(id)) << "the other client is cut off";
      slowest_ = std::max<std::chrono::nanoseconds>(slowest_, std::chrono::steady_clock::now() - begin);
      if (client.ended()) return;
      poll(nullptr, 0, 5);
    }
  }
  std::atomic<bool> stop_{false};
  std::chrono::nanoseconds slowest_{0};
  std::thread thread_;
};

struct Flood {
  const char* name;
  const char* limit;  // what ends it, or why it is harmless
  bool is_closed;     // the server ends the connection
  bool reads;         // the peer reads what the server sends
  int count;          // steps
  std::function<std::string(int step)> bytes;
  std::string settings = {};
};

uint32_t Id(int step) { return 1 + 2 * static_cast<uint32_t>(step); }
std::string U32(uint32_t value) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}
std::string Repeated(int count, const std::string& bytes) {
  std::string all;
  for (int i = 0; i < count; ++i) all += bytes;
  return all;
}
std::string Call(int step, const char* path, const std::string& request) {
  return HeadersFrame(Id(step), path) + Frame(NGHTTP2_DATA, kEndStream, Id(step), GrpcMessage(request));
}

std::vector<Flood> Floods() {
  const std::string zero_window = std::string("\0\4", 2) + U32(0);
  return {
      {"RapidReset", "libnghttp2's rate of resets", true, true, 100'000,
       [](int i) {
         return HeadersFrame(Id(i), "/test.Echo/Quiet") + Frame(NGHTTP2_RST_STREAM, 0, Id(i), U32(NGHTTP2_CANCEL));
       }},
      {"Continuations", "libnghttp2's count of continuations", true, true, 10'000,
       [](int i) {
         const std::string block = HeaderBlock({{"x-filler", std::string(100, 'x')}});
         return i == 0 ? Frame(NGHTTP2_HEADERS, 0, 1, HeaderBlock(GrpcHeaders("/test.Echo/Quiet")))
                       : Frame(NGHTTP2_CONTINUATION, 0, 1, block);
       }},
      {"HpackBomb", "kHeaderBytesEnd", true, true, 200, [](int i) { return CompressedHeaders(Id(i), 12'000); }},
      {"HpackBombInTrailers", "kHeaderBytesEnd", true, true, 200,
       [](int i) {
         if (i == 0) return HeadersFrame(1, "/test.Echo/Quiet") + CompressedHeaders(3, 1);
         return Frame(NGHTTP2_HEADERS, kEndHeaders | kEndStream, 1, std::string(12'000, '\xbe'));
       }},
      {"ManyCompressedHeaders", "kHeaderBytesPerTurn", false, true, 10'000,
       [](int i) { return CompressedHeaders(Id(i), 60); }},
      {"Settings", "libnghttp2's count of unsent acknowledgements", true, false, 1'000,
       [](int) { return Repeated(1'000, Frame(NGHTTP2_SETTINGS, 0, 0, "")); }},
      {"Pings", "kPingStrikesMax", true, true, 1'000,
       [](int) { return Repeated(100, Frame(NGHTTP2_PING, 0, 0, "12345678")); }},
      {"EmptyData", "nothing is kept", false, true, 500,
       [](int i) {
         return (i == 0 ? HeadersFrame(1, "/test.Echo/Quiet") : "") + Repeated(1'000, Frame(NGHTTP2_DATA, 0, 1, ""));
       }},
      {"WindowUpdates", "nothing is kept", false, true, 500,
       [](int) { return Repeated(1'000, Frame(NGHTTP2_WINDOW_UPDATE, 0, 0, U32(1))); }},
      {"IncompleteMessages", "kPartialBytesMax", true, true, 4'000,
       [](int i) {
         return HeadersFrame(Id(i), "/test.Echo/Unary") +
                Repeated(4, Frame(NGHTTP2_DATA, 0, Id(i), MessagePrefix(2'000'000) + std::string(15'000, 'p')));
       }},
      {"UnreadAnswers", "AnswerBudget", false, false, 5'000,
       [](int i) { return Call(i, "/test.Echo/Big", "1000000"); }},
      {"UnreadAnswersOfLargeRequests", "AnswerBudget and kHeldBytesMax", false, false, 3'000,
       [](int i) { return Call(i, "/test.Echo/Big", "1000000" + std::string(10'000, ' ')); }},
      {"ZeroWindow", "AnswerBudget", false, true, 5'000, [](int i) { return Call(i, "/test.Echo/Big", "1000000"); },
       zero_window},
      {"UnreadRefusals", "kOutFramesMax", true, false, 200'000,
       [](int i) { return HeadersFrame(Id(i), "/no.Service/Method", kEndHeaders | kEndStream); }},
      {"OpenStreams", "kStreamsMax", false, true, 40'000,
       [](int i) { return HeadersFrame(Id(i), "/test.Echo/Quiet"); }},
      {"SlowPreface", "handshake_timeout", true, true, 0, [](int) { return std::string(); }, "none"},
  };
}

class H2FloodTest : public H2EngineTest, public ::testing::WithParamInterface<Flood> {};
INSTANTIATE_TEST_SUITE_P(Floods, H2FloodTest, ::testing::ValuesIn(Floods()),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST_P(H2FloodTest, MemoryIsBoundedAndOthersAreServed) {
  const Flood& flood = GetParam();
  options_.handshake_timeout = 1s;
  Start();
  Bystander bystander(Connect());
  poll(nullptr, 0, 100);
  const size_t before = ResidentBytes();
  size_t most = before;

  RawPeer peer(Connect());
  peer.Send(kPreface, false);
  if (flood.settings != "none") peer.Send(Frame(NGHTTP2_SETTINGS, 0, 0, flood.settings), false);
  int step = 0;
  for (; step < flood.count && peer.Send(flood.bytes(step), flood.reads); ++step) {
    if (step % 100 == 0) most = std::max(most, ResidentBytes());
  }
  for (int i = 0; i < 20 && !peer.hung_up(); ++i) {
    most = std::max(most, ResidentBytes());
    poll(nullptr, 0, 50);
  }
  if (flood.is_closed) {
    EXPECT_TRUE(peer.hung_up() || peer.AwaitClose(10s)) << "expected limit: " << flood.limit;
  } else {
    EXPECT_FALSE(peer.hung_up()) << "at step " << step;
    EXPECT_EQ(step, flood.count) << "the server does not read on";
  }
  const auto slowest = bystander.Slowest();
  EXPECT_LT(slowest, kLatencyMax);
  EXPECT_LT(most - before, kMemoryMax);
  RecordProperty("memory_mb", static_cast<int>((most - before) / 1'000'000));
  std::printf("%-30s %-50s %s after %6d steps, +%3zu MB, slowest call of another client %4lld ms\n", flood.name,
              flood.limit, flood.is_closed ? "closed" : "served", step, (most - before) / 1'000'000,
              static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(slowest).count()));
}

}  // namespace
}  // namespace regent::server
