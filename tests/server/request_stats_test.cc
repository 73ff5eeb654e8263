// What stands between an RPC engine and the methods must not change how an answer leaves.
#include "server/rpc/request_stats.h"

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/api/fakes.h"

namespace regent::server {
namespace {

class OneByte final : public api::MessageSource {
 public:
  size_t size_bytes() const override { return 1; }
  int64_t count() const override { return 7; }
  api::WireMessage Next() override { return {std::make_shared<const std::string>("x")}; }
};

class CountingCall final : public api::FakeCall {
 public:
  int sources = 0;
  void SendFrom(std::unique_ptr<api::MessageSource> source) override {
    ++sources;
    FakeCall::SendFrom(std::move(source));
  }
};

std::shared_ptr<CountingCall> Answered(Duration expected, const absl::Status& end) {
  const auto answer = [end](std::shared_ptr<api::Call> call, std::string_view) {
    call->SendFrom(std::make_unique<OneByte>());
    call->Finish(end);
  };
  const std::vector<api::Method> methods = WithRequestStats(
      {{.path = "/etcdserverpb.KV/Range", .kind = api::Method::Kind::kUnary, .unary = answer, .stream = nullptr}},
      expected);
  auto call = std::make_shared<CountingCall>();
  methods.front().unary(call, "");
  return call;
}

TEST(RequestStats, AMessageThatIsReadWhileItLeavesStaysOne) {
  for (const Duration expected : {Duration(std::chrono::hours(1)), Duration(std::chrono::hours(-1))}) {  // quick, slow
    const auto call = Answered(expected, absl::OkStatus());
    EXPECT_EQ(call->sources, 1) << "it was read whole on the way";
    EXPECT_EQ(call->sent, std::vector<std::string>{"x"});
    EXPECT_TRUE(call->finished->ok());
  }
}

TEST(RequestStats, AnErrorLeavesWithoutTheMessage) {
  const auto call = Answered(std::chrono::hours(1), api::ErrTimeout());
  EXPECT_EQ(call->sources, 0);
  EXPECT_EQ(call->finished, api::ErrTimeout());
}

}  // namespace
}  // namespace regent::server
