// What one slow turn of the apply loop says, and that a quick one says nothing. The words of single lines are compared
// with etcd's own in tests/conformance/sidebyside.
#include "server/node/slow_requests.h"

#include <glog/logging.h>
#include <gtest/gtest.h>

#include "storage/command.h"

namespace regent::server {
namespace {

using namespace std::chrono_literals;

class Lines final : public google::LogSink {
 public:
  Lines() { google::AddLogSink(this); }
  ~Lines() override { google::RemoveLogSink(this); }
  void send(google::LogSeverity, const char*, const char*, int, const google::LogMessageTime&, const char* message,
            size_t size) override {
    texts.emplace_back(message, size);
  }
  std::vector<std::string> texts;
};

class SlowRequestsTest : public ::testing::Test {
 protected:
  // A turn of puts, behind the empty entry of a new term.
  void MakeTurn(uint64_t puts) {
    turn_.push_back({.index = {1}, .term = {1}, .type = raft::EntryType::kNormal, .data = {}});
    for (uint64_t i = 0; i < puts; ++i) {
      const storage::RequestId id{.node = 8, .sequence = 100 + i};
      const api::PutRequest put{.key = "key" + std::to_string(i), .value = "secret"};
      turn_.push_back({.index = {2 + i},
                       .term = {1},
                       .type = raft::EntryType::kNormal,
                       .data = storage::EncodeCommand({.request = id, .leader_term = 0, .body = put})});
      answers_.push_back({.request = id, .result = api::PutResult{.revision = {5}, .prev_kv = {}}});
    }
  }
  uint64_t Counted() { return metrics_.server_slow_apply_total.value(); }

  Metrics metrics_;
  SlowRequests slow_{10ms, metrics_};
  std::vector<raft::Entry> turn_;
  std::vector<storage::Answer> answers_;
  Lines lines_;
};

TEST_F(SlowRequestsTest, AQuickTurnSaysNothing) {
  MakeTurn(3);
  slow_.OnTurn(
      turn_, answers_, [] { return api::Header{}; }, 10ms);
  EXPECT_TRUE(lines_.texts.empty());
  EXPECT_EQ(Counted(), 0u);
}

TEST_F(SlowRequestsTest, ASlowTurnNamesEachRequestWithItsAnswer) {
  MakeTurn(2);
  answers_[1].result = absl::OutOfRangeError("etcdserver: too late");
  slow_.OnTurn(
      turn_, answers_, [] { return api::Header{}; }, 11ms);
  ASSERT_EQ(lines_.texts.size(), 2u);
  EXPECT_NE(lines_.texts[0].find("ID:100> put:<key:\\\"key0\\\" value_size:6 >"), std::string::npos) << lines_.texts[0];
  EXPECT_EQ(lines_.texts[0].find("too late"), std::string::npos);
  EXPECT_NE(lines_.texts[1].find("ID:101> put:<key:\\\"key1\\\""), std::string::npos) << lines_.texts[1];
  EXPECT_NE(lines_.texts[1].find("too late"), std::string::npos);
  for (const std::string& text : lines_.texts) EXPECT_EQ(text.find("secret"), std::string::npos);
  EXPECT_EQ(Counted(), 2u);
}

TEST_F(SlowRequestsTest, AllRequestsOfASlowTurnAreCountedButNotAllNamed) {
  MakeTurn(SlowRequests::kLinesPerTurn + 4);
  slow_.OnTurn(
      turn_, answers_, [] { return api::Header{}; }, 1s);
  ASSERT_EQ(lines_.texts.size(), SlowRequests::kLinesPerTurn + 1);
  EXPECT_NE(lines_.texts.back().find("further requests"), std::string::npos);
  EXPECT_EQ(Counted(), SlowRequests::kLinesPerTurn + 4);
}

TEST_F(SlowRequestsTest, ATurnWithoutRequestsSaysNothing) {
  MakeTurn(0);
  slow_.OnTurn(
      turn_, answers_, [] { return api::Header{}; }, 1s);
  EXPECT_TRUE(lines_.texts.empty());
}

}  // namespace
}  // namespace regent::server
