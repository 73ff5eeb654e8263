// A call and a backend of a few lines. Both are driven by the test's own thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/contract/errors.h"
#include "api/service/backend.h"
#include "api/service/services.h"
#include "gtest/gtest.h"

namespace regent::api {

class FakeCall : public Call {
 public:
  std::map<std::string, std::string, std::less<>> metadata;
  MonotonicTime client_deadline = MonotonicTime::max();
  std::vector<std::string> sent;    // each message joined
  std::vector<WireMessage> pieces;  // each message as it came
  std::optional<absl::Status> finished;
  size_t unsent = 0;

  std::optional<std::string_view> Metadata(std::string_view key) const override {
    const auto found = metadata.find(key);
    if (found == metadata.end()) return std::nullopt;
    return found->second;
  }
  MonotonicTime deadline() const override { return client_deadline; }
  void Send(WireMessage message) override {
    EXPECT_FALSE(message.empty());
    std::string joined;
    for (const SharedBytes& piece : message) joined += *piece;
    if (!finished) sent.push_back(joined), pieces.push_back(std::move(message));
  }
  void Finish(absl::Status status) override {
    if (!finished) finished = std::move(status);
  }
  size_t unsent_bytes() const override { return unsent; }
};

// Records what it is asked and answers at once with what the test put into the `answer_` fields.
class FakeBackend : public Backend {
 public:
  Header header{.cluster_id = 11, .member_id = 22, .revision = {33}, .raft_term = 44};
  bool has_leader = true;

  std::optional<WriteRequest> proposed;
  std::optional<RangeRequest> ranged;
  std::optional<TxnRequest> read;
  std::optional<bool> listed_linearizable;
  std::vector<LeaseId> kept_alive;
  MonotonicTime deadline;

  absl::StatusOr<WriteResult> answer_write = absl::InternalError("not scripted");
  std::optional<WriteRequest> rejected;
  bool is_full = false;  // what is rejected does not fit the quota
  absl::StatusOr<RangeResult> answer_range = RangeResult{};
  absl::StatusOr<TxnResult> answer_read = TxnResult{};
  std::function<void(Done<std::unique_ptr<SlicedRange>>)> answer_open;
  absl::StatusOr<HashResult> answer_hash = HashResult{};
  absl::StatusOr<HashKvResult> answer_hash_kv = HashKvResult{};
  std::optional<int64_t> hashed;
  std::function<void(LeaseId, Done<LeaseKeepAliveResult>)> answer_keep_alive;
  absl::StatusOr<LeaseTimeToLiveResult> answer_time_to_live = LeaseTimeToLiveResult{};
  absl::StatusOr<LeaseLeasesResult> answer_leases = LeaseLeasesResult{};
  absl::StatusOr<std::vector<Member>> answer_members = std::vector<Member>{};
  absl::StatusOr<StatusResult> answer_status = StatusResult{};
  absl::StatusOr<AlarmResult> answer_alarms = AlarmResult{};

  // The one watch stream: what it was told, in words, and its sink.
  struct Watches {
    std::vector<std::string> told;
    std::vector<WatchCreate> creates;
    std::shared_ptr<WatchSink> sink;
    bool closed = false;
  };
  std::shared_ptr<Watches> watches = std::make_shared<Watches>();

  Header CurrentHeader() const override { return header; }
  bool HasLeader() const override { return has_leader; }
  void Propose(WriteRequest request, MonotonicTime until, Done<WriteResult> done) override {
    proposed = std::move(request);
    deadline = until;
    done(std::move(answer_write));
  }
  void Reject(WriteRequest request, absl::Status why, absl::AnyInvocable<void(absl::Status)> done) override {
    rejected = std::move(request);
    done(is_full ? ErrNoSpace() : std::move(why));
  }
  void Range(RangeRequest request, MonotonicTime until, Done<RangeResult> done) override {
    ranged = std::move(request);
    deadline = until;
    done(std::move(answer_range));
  }
  void OpenRange(RangeRequest request, MonotonicTime until, Done<std::unique_ptr<SlicedRange>> done) override {
    ranged = std::move(request);
    deadline = until;
    answer_open(std::move(done));
  }
  void ReadTxn(TxnRequest request, MonotonicTime until, Done<TxnResult> done) override {
    read = std::move(request);
    deadline = until;
    done(std::move(answer_read));
  }
  void LeaseKeepAlive(LeaseId id, Done<LeaseKeepAliveResult> done) override {
    kept_alive.push_back(id);
    answer_keep_alive(id, std::move(done));
  }
  void LeaseTimeToLive(LeaseId, bool, Done<LeaseTimeToLiveResult> done) override { done(answer_time_to_live); }
  void LeaseLeases(Done<LeaseLeasesResult> done) override { done(answer_leases); }
  void MemberList(bool linearizable, MonotonicTime until, Done<std::vector<Member>> done) override {
    listed_linearizable = linearizable;
    deadline = until;
    done(answer_members);
  }
  void Status(Done<StatusResult> done) override { done(answer_status); }
  void Alarms(AlarmRequest, Done<AlarmResult> done) override { done(answer_alarms); }
  void Defragment(Done<std::monostate> done) override { done(std::monostate()); }
  void MoveLeader(uint64_t target, Done<std::monostate> done) override {
    if (target != header.member_id) return done(ErrBadLeaderTransferee());
    done(std::monostate());
  }
  void Hash(Done<HashResult> done) override { done(answer_hash); }
  void HashKv(int64_t revision, Done<HashKvResult> done) override {
    hashed = revision;
    done(answer_hash_kv);
  }

  std::unique_ptr<WatchStream> OpenWatch(std::shared_ptr<WatchSink> sink) override {
    watches->sink = std::move(sink);
    return std::make_unique<FakeWatchStream>(watches);
  }

 private:
  class FakeWatchStream : public WatchStream {
   public:
    explicit FakeWatchStream(std::shared_ptr<Watches> watches) : watches_(std::move(watches)) {}
    ~FakeWatchStream() override { watches_->closed = true; }
    void Create(WatchCreate request) override {
      watches_->told.push_back("create");
      watches_->creates.push_back(std::move(request));
    }
    void Cancel(int64_t id) override { watches_->told.push_back("cancel " + std::to_string(id)); }
    void RequestProgress() override { watches_->told.push_back("progress"); }
    void Drained() override { watches_->told.push_back("drained"); }

   private:
    const std::shared_ptr<Watches> watches_;
  };
};

// The services over a fake backend, at a time that stands still.
class ServiceTest : public testing::Test {
 protected:
  static constexpr MonotonicTime kNow{std::chrono::seconds(1000)};

  explicit ServiceTest(ServiceOptions options = {}) : services_(backend_, WithClock(std::move(options))) {
    for (Method& method : services_.Methods()) {
      const std::string path = method.path;
      EXPECT_TRUE(methods_.emplace(path, std::move(method)).second) << path << " is registered twice";
    }
  }

  std::shared_ptr<FakeCall> Unary(const std::string& path, std::string_view request,
                                  std::shared_ptr<FakeCall> call = std::make_shared<FakeCall>()) {
    const auto found = methods_.find(path);
    EXPECT_TRUE(found != methods_.end() && found->second.unary) << path;
    found->second.unary(call, request);
    EXPECT_TRUE(call->finished.has_value()) << path << " has not answered";
    EXPECT_EQ(call->sent.size(), call->finished->ok() ? 1u : 0u) << path;
    return call;
  }

  std::unique_ptr<StreamHandler> Open(const std::string& path, const std::shared_ptr<FakeCall>& call) {
    return methods_.at(path).stream(call);
  }

  FakeBackend backend_;
  Services services_;
  std::map<std::string, Method> methods_;

 private:
  static ServiceOptions WithClock(ServiceOptions options) {
    options.now = [] { return kNow; };
    return options;
  }
};

}  // namespace regent::api
