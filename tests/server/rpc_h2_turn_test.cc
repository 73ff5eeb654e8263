// What one turn of a connection may do before it is the others' turn: counted, not timed.
#include <gtest/gtest.h>

#include "server/rpc/h2_connection.h"
#include "server/runtime/clock.h"
#include "tests/server/rpc_h2_client.h"

namespace regent::server {
namespace {

class NoAnswers final : public CallOutbox {
 public:
  void Post(Outgoing) override {}
};

class H2TurnTest : public ::testing::Test {
 protected:
  H2TurnTest()
      : methods_({}, metrics_, MetricsDetail::kBasic),
        sockets_(ConnectedSockets()),
        connection_(1, std::move(sockets_.first), {options_, methods_, std::make_shared<NoAnswers>(), events_},
                    SteadyNow()),
        peer_(std::move(sockets_.second)) {
    peer_.Send(std::string(kPreface) + Frame(NGHTTP2_SETTINGS, 0, 0, ""), false);
  }

  // One turn; true when the connection wants another one.
  bool Turn() {
    const bool more = connection_.OnReadable(SteadyNow());
    connection_.Flush();
    peer_.Receive();
    return more;
  }

  int Answers() const {
    int count = 0;
    const std::string& bytes = peer_.received();
    for (size_t at = 0; at + 9 <= bytes.size();) {
      size_t length = 0;
      for (size_t i = 0; i < 3; ++i) length = length << 8 | static_cast<unsigned char>(bytes[at + i]);
      count += bytes[at + 3] == NGHTTP2_HEADERS ? 1 : 0;
      at += 9 + length;
    }
    return count;
  }

  Metrics metrics_;
  RpcEngine::Options options_;
  MethodTable methods_;
  std::vector<CallEvent> events_;
  std::pair<OwnedFd, OwnedFd> sockets_;
  H2Connection connection_;
  RawPeer peer_;
};

TEST_F(H2TurnTest, HeadersThatGrowBeyondTheBoundWaitForTheNextTurn) {
  constexpr int kCalls = 100;
  constexpr int kBytesEach = 60 * 3'900;  // more than may be kept, less than what ends the connection
  for (int i = 0; i < kCalls; ++i) {
    ASSERT_TRUE(peer_.Send(CompressedHeaders(1 + 2 * static_cast<uint32_t>(i), 60), false));
  }
  int answered = 0;
  int turns = 0;
  for (bool more = true; more; ++turns) {
    more = Turn();
    const int now = Answers();
    EXPECT_LE((now - answered) * size_t{kBytesEach}, H2Connection::kHeaderBytesPerTurn + kBytesEach);
    answered = now;
  }
  EXPECT_EQ(answered, kCalls);
  EXPECT_GE(static_cast<size_t>(turns), kCalls * size_t{kBytesEach} / H2Connection::kHeaderBytesPerTurn);
  EXPECT_FALSE(connection_.dead());
}

TEST_F(H2TurnTest, UsualRequestsNeedOneTurn) {
  constexpr int kCalls = 500;
  std::string calls;
  for (uint32_t i = 0; i < kCalls; ++i) calls += HeadersFrame(1 + 2 * i, "/test.Echo/None", kEndHeaders | kEndStream);
  ASSERT_TRUE(peer_.Send(calls, false));
  Turn();
  EXPECT_EQ(Answers(), kCalls);
}

TEST_F(H2TurnTest, ABombEndsTheConnectionWithAReason) {
  ASSERT_TRUE(peer_.Send(CompressedHeaders(1, 12'000), false));
  EXPECT_FALSE(Turn());
  EXPECT_TRUE(connection_.dead());
  EXPECT_NE(peer_.received().find("too many headers"), std::string::npos);
}

}  // namespace
}  // namespace regent::server
