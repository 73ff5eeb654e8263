// RangeStream: what each message carries, how far it reads ahead of its client, and how it ends.
#include "api/service/range_stream.h"

#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "api/contract/errors.h"
#include "api/contract/proto/range.pb.h"
#include "gtest/gtest.h"
#include "tests/api/fakes.h"

namespace regent::api {
namespace {

namespace pb = etcdserverpb;

// Gives out what the test has put in, and counts.
struct Script {
  std::deque<absl::StatusOr<SlicedRange::Slice>> slices;
  std::vector<size_t> asked_bytes;
  bool dropped = false;
};

class ScriptedRange : public SlicedRange {
 public:
  explicit ScriptedRange(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  ~ScriptedRange() override { script_->dropped = true; }
  absl::StatusOr<Slice> Next(size_t bytes_max) override {
    script_->asked_bytes.push_back(bytes_max);
    EXPECT_FALSE(script_->slices.empty()) << "read behind the last slice";
    absl::StatusOr<Slice> slice = std::move(script_->slices.front());
    script_->slices.pop_front();
    return slice;
  }

 private:
  const std::shared_ptr<Script> script_;
};

SlicedRange::Slice SliceOf(const std::string& key, bool last) {
  SlicedRange::Slice slice{.result = {}, .last = last};
  slice.result.kvs.Add(key, "");
  if (last) {
    slice.result.revision = {30};
    slice.result.more = true;
    slice.result.count = 9;
  }
  return slice;
}

class RangeStreamTest : public ServiceTest {
 protected:
  RangeStreamTest() {
    backend_.answer_open = [this](Done<std::unique_ptr<SlicedRange>> done) { opened_ = std::move(done); };
  }
  void Ask(const pb::RangeRequest& request) {
    handler_ = Open("/etcdserverpb.KV/RangeStream", call_);
    handler_->OnMessage(request.SerializeAsString());
    handler_->OnHalfClose();
  }
  void AskForAll() {
    pb::RangeRequest request;
    request.set_key("a");
    request.set_range_end("z");
    Ask(request);
  }
  void Begin() { opened_(std::make_unique<ScriptedRange>(script_)); }
  pb::RangeResponse Message(size_t index) const {
    pb::RangeStreamResponse message;
    EXPECT_TRUE(message.ParseFromString(call_->sent.at(index)));
    return message.range_response();
  }

  const std::shared_ptr<FakeCall> call_ = std::make_shared<FakeCall>();
  const std::shared_ptr<Script> script_ = std::make_shared<Script>();
  std::unique_ptr<StreamHandler> handler_;
  Done<std::unique_ptr<SlicedRange>> opened_;
};

TEST_F(RangeStreamTest, OnlyTheLastMessageHasHeaderMoreAndCount) {
  script_->slices.emplace_back(SliceOf("a", false));
  script_->slices.emplace_back(SliceOf("b", true));
  AskForAll();
  Begin();
  ASSERT_EQ(call_->sent.size(), 2u);
  EXPECT_EQ(Message(0).ShortDebugString(), "kvs { key: \"a\" }");
  EXPECT_EQ(
      Message(1).ShortDebugString(),
      "header { cluster_id: 11 member_id: 22 revision: 30 raft_term: 44 } kvs { key: \"b\" } more: true count: 9");
  EXPECT_EQ(call_->finished, absl::OkStatus());
}

TEST_F(RangeStreamTest, ItReadsAheadOnlySoFarAndGoesOnWhenTheClientTakesMore) {
  for (int i = 0; i < 12; ++i) script_->slices.emplace_back(SliceOf("a" + std::to_string(i), i == 11));
  AskForAll();
  Begin();
  EXPECT_EQ(call_->sent.size(), 2u);  // the call may be broken: no more without a sign of life
  call_->unsent = kSliceBytesMax;
  for (int i = 0; i < 5; ++i) handler_->OnSent();
  EXPECT_EQ(call_->sent.size(), 2u);
  call_->unsent = kSliceBytesMax - 1;
  while (!call_->finished) handler_->OnSent();
  EXPECT_EQ(call_->sent.size(), 12u);
  handler_->OnSent();
  EXPECT_TRUE(script_->dropped);
  EXPECT_EQ(script_->asked_bytes.front(), kFirstSliceBytes);
  EXPECT_EQ(script_->asked_bytes[1], 2 * kFirstSliceBytes);
  EXPECT_EQ(script_->asked_bytes.back(), kSliceBytesMax);
}

TEST_F(RangeStreamTest, AClientThatIsGoneIsNotReadFor) {
  for (int i = 0; i < 9; ++i) script_->slices.emplace_back(SliceOf("a", false));
  AskForAll();
  Begin();
  handler_->OnDone();
  EXPECT_TRUE(script_->dropped);
  handler_->OnSent();
  EXPECT_EQ(script_->asked_bytes.size(), 2u);
}

TEST_F(RangeStreamTest, AClientThatIsGoneBeforeTheReadIsOpenIsNotReadForEither) {
  AskForAll();
  handler_->OnDone();
  handler_.reset();
  Begin();
  EXPECT_TRUE(script_->dropped);
  EXPECT_TRUE(script_->asked_bytes.empty());
}

TEST_F(RangeStreamTest, ACompactionUnderWayEndsItBehindWhatWasSent) {
  script_->slices.emplace_back(SliceOf("a", false));
  script_->slices.emplace_back(ErrCompacted());
  AskForAll();
  Begin();
  EXPECT_EQ(call_->sent.size(), 1u);
  EXPECT_EQ(call_->finished, ErrCompacted());
  EXPECT_TRUE(script_->dropped);
}

TEST_F(RangeStreamTest, ACountAndAnotherTargetAreOneMessageFromRange) {
  backend_.answer_range = RangeResult{.revision = {31}, .kvs = KeyValueList{2}, .more = false, .count = 5};
  pb::RangeRequest request;
  request.set_key("a");
  request.set_count_only(true);
  Ask(request);
  EXPECT_TRUE(backend_.ranged->count_only);
  EXPECT_EQ(Message(0).ShortDebugString(),
            "header { cluster_id: 11 member_id: 22 revision: 31 raft_term: 44 } count: 5");
  EXPECT_EQ(call_->finished, absl::OkStatus());
}

TEST_F(RangeStreamTest, OtherOrdersAndFiltersAreRefusedBehindTheChecksOfRange) {
  const auto error = [this](auto change) {
    pb::RangeRequest request;
    request.set_key("a");
    change(request);
    const auto call = std::make_shared<FakeCall>();
    const auto handler = Open("/etcdserverpb.KV/RangeStream", call);
    handler->OnMessage(request.SerializeAsString());
    return call->finished.value_or(absl::OkStatus());
  };
  const absl::Status order = ErrUnimplemented("RangeStream does not support custom sort orders");
  const absl::Status filter = ErrUnimplemented("RangeStream does not support revision filters");
  EXPECT_EQ(error([](auto& r) { r.clear_key(); }), ErrEmptyKey());
  EXPECT_EQ(error([](auto& r) { r.set_sort_order(pb::RangeRequest::DESCEND); }), order);
  EXPECT_EQ(error([](auto& r) {
              r.set_sort_order(pb::RangeRequest::ASCEND);
              r.set_sort_target(pb::RangeRequest::MOD);
            }),
            order);
  EXPECT_EQ(error([](auto& r) { r.set_sort_order(pb::RangeRequest::ASCEND); }), absl::OkStatus());
  EXPECT_EQ(error([](auto& r) { r.set_min_mod_revision(1); }), filter);
  EXPECT_EQ(error([](auto& r) { r.set_max_mod_revision(1); }), filter);
  EXPECT_EQ(error([](auto& r) { r.set_min_create_revision(1); }), filter);
  EXPECT_EQ(error([](auto& r) { r.set_max_create_revision(1); }), filter);
}

TEST_F(RangeStreamTest, AStreamWithoutARequestIsAnError) {
  handler_ = Open("/etcdserverpb.KV/RangeStream", call_);
  handler_->OnHalfClose();
  EXPECT_EQ(call_->finished, ErrMissingRequest());
}

}  // namespace
}  // namespace regent::api
