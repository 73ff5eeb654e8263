// The quota and its alarm, the end of many leases, and what is counted: a node on real threads.
#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/contract/errors.h"
#include "gtest/gtest.h"
#include "storage/quota.h"
#include "tests/server/node_fixture.h"

namespace regent::server {
namespace {

using namespace std::chrono_literals;

class NodeQuotaTest : public NodeTest {
 protected:
  static NodeOptions WithQuota(int64_t bytes) {
    NodeOptions options;
    options.quota_bytes = bytes;
    return options;
  }
  absl::Status PutStatus(const std::string& key, size_t value_bytes) {
    return Propose(api::PutRequest{.key = key, .value = std::string(value_bytes, 'v')}).status();
  }
  std::vector<api::AlarmMember> Alarms() {
    Await<api::AlarmResult> alarms;
    node_->Alarms({}, alarms.done());
    return alarms.Get()->alarms;
  }
  void Disarm() {
    ASSERT_TRUE(Propose(api::AlarmRequest{
                            .action = api::AlarmAction::kDeactivate, .member_id = 8, .alarm = api::AlarmType::kNoSpace})
                    .ok());
  }
  double AlarmGauge() { return metrics_.debugging_server_alarms.With({"NOSPACE", "8"}).value(); }

  const std::vector<api::AlarmMember> no_space_ = {{.member_id = 8, .alarm = api::AlarmType::kNoSpace}};
};

TEST_F(NodeQuotaTest, AWriteThatDoesNotFitIsRefusedBeforeTheLogAndRaisesTheAlarm) {
  Start(WithQuota(storage::kEmptyStoreBytes + 5000));
  ASSERT_TRUE(PutStatus("a", 4000).ok());
  EXPECT_TRUE(Alarms().empty());
  const uint64_t applied = Applied();
  EXPECT_EQ(PutStatus("b", 4000), api::ErrNoSpace());
  EXPECT_EQ(Applied(), applied + 1) << "the alarm alone went through the log";
  EXPECT_EQ(Alarms(), no_space_) << "whoever was refused finds the alarm";
  EXPECT_EQ(AlarmGauge(), 1);
  EXPECT_EQ(Range({.key = "b"})->count, 0);
  EXPECT_EQ(PutStatus("c", 4000), api::ErrNoSpace());
  EXPECT_EQ(Applied(), applied + 1) << "raised once";
}

TEST_F(NodeQuotaTest, WithTheAlarmOnReadsDeletesAndCompactionsGoOnAndRoomAloneDoesNotEndIt) {
  Start(WithQuota(storage::kEmptyStoreBytes + 5000));
  ASSERT_TRUE(PutStatus("a", 4000).ok());
  EXPECT_EQ(PutStatus("b", 4000), api::ErrNoSpace());
  EXPECT_EQ(PutStatus("b", 1), api::ErrNoSpace());  // it would fit
  EXPECT_EQ(Propose(api::LeaseGrantRequest{.ttl = 10}).status(), api::ErrNoSpace());
  api::TxnRequest txn;
  txn.success.emplace_back(api::PutRequest{.key = "t"});
  EXPECT_EQ(Propose(txn).status(), api::ErrNoSpace());
  EXPECT_EQ(Range({.key = "a"})->count, 1);
  txn.success = {api::DeleteRangeRequest{.key = "a"}};
  ASSERT_TRUE(Propose(txn).ok());
  ASSERT_TRUE(Propose(api::CompactionRequest{.revision = {3}}).ok());
  EXPECT_EQ(PutStatus("b", 1), api::ErrNoSpace());
  Disarm();
  EXPECT_EQ(AlarmGauge(), 0);
  EXPECT_TRUE(PutStatus("b", 4000).ok());
}

TEST_F(NodeQuotaTest, DisarmedWithoutRoomItIsRaisedAgain) {
  Start(WithQuota(storage::kEmptyStoreBytes + 5000));
  ASSERT_TRUE(PutStatus("a", 4000).ok());
  EXPECT_EQ(PutStatus("b", 4000), api::ErrNoSpace());
  Disarm();
  EXPECT_TRUE(Alarms().empty());
  EXPECT_EQ(PutStatus("b", 4000), api::ErrNoSpace());
  EXPECT_EQ(Alarms(), no_space_);
}

TEST_F(NodeQuotaTest, TheAlarmOutlivesARestart) {
  Start(WithQuota(storage::kEmptyStoreBytes + 5000));
  ASSERT_TRUE(PutStatus("a", 4000).ok());
  EXPECT_EQ(PutStatus("b", 4000), api::ErrNoSpace());
  Stop();
  Start(WithQuota(-1));
  EXPECT_EQ(Alarms(), no_space_);
  EXPECT_EQ(AlarmGauge(), 1);
  EXPECT_EQ(PutStatus("b", 1), api::ErrNoSpace());
  Disarm();
  EXPECT_TRUE(PutStatus("b", 100'000).ok()) << "a negative quota is none";
}

TEST_F(NodeQuotaTest, ManyWritersMeetTheQuotaAndEachIsAnswered) {
  Start(WithQuota(storage::kEmptyStoreBytes + 100'000));
  std::atomic<int> refused{0}, done{0};
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 8; ++writer) {
    writers.emplace_back([&, writer] {
      for (int i = 0; i < 50; ++i) {
        const absl::Status status = PutStatus(std::to_string(writer) + "/" + std::to_string(i), 1000);
        if (!status.ok()) {
          EXPECT_EQ(status, api::ErrNoSpace());
        }
        ++(status.ok() ? done : refused);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(Alarms(), no_space_);
  EXPECT_EQ(done + refused, 400);
  EXPECT_GT(refused, 250);
  EXPECT_GE(Range({.key = "0", .range_end = "9", .count_only = true})->count, done);
}

TEST_F(NodeQuotaTest, ThousandsOfLeasesThatExpireTogetherEndInAFewCommands) {
  constexpr int kLeases = 5000;
  NodeOptions options;
  options.election_timeout = 200ms;
  options.heartbeat_interval = 20ms;
  Start(options);
  std::atomic<int> granted{0};
  for (int id = 1; id <= kLeases; ++id) {
    const auto answered = [&](const absl::StatusOr<api::WriteResult>& result) { granted += result.ok() ? 1 : 0; };
    node_->Propose(api::LeaseGrantRequest{.id = {id}, .ttl = 1}, MonotonicTime::max(), answered);
    node_->Propose(api::PutRequest{.key = std::to_string(id), .lease = {id}}, MonotonicTime::max(), answered);
    while (granted < 2 * id - 1000) std::this_thread::yield();
  }
  while (granted < 2 * kLeases) std::this_thread::yield();
  const uint64_t applied = Applied();
  while (Range({.key = "0", .range_end = ":", .count_only = true})->count > 0) std::this_thread::yield();
  const int64_t revision = state_machine_->view()->revision().value;
  EXPECT_EQ(revision, 1 + 2 * kLeases) << "each lease at a revision of its own";
  EXPECT_LT(Applied() - applied, kLeases / 8);
  Await<api::LeaseLeasesResult> leases;
  node_->LeaseLeases(leases.done());
  EXPECT_TRUE(leases.Get()->leases.empty());
  EXPECT_EQ(metrics_.debugging_server_lease_expired_total.value(), kLeases);
  EXPECT_EQ(metrics_.debugging_lease_revoked_total.value(), kLeases);
}

TEST_F(NodeQuotaTest, EndsOfLeasesThatAnAlarmRefusesAreTriedAgain) {
  NodeOptions options;
  options.election_timeout = 200ms;
  options.heartbeat_interval = 20ms;
  Start(options);
  api::AlarmRequest corrupt{.action = api::AlarmAction::kActivate, .member_id = 8, .alarm = api::AlarmType::kCorrupt};
  for (int id = 1; id <= 50; ++id) ASSERT_TRUE(Propose(api::LeaseGrantRequest{.id = {id}, .ttl = 1}).ok());
  ASSERT_TRUE(Propose(corrupt).ok());
  const uint64_t applied = Applied();
  while (Applied() < applied + 2) std::this_thread::yield();  // refused, and tried again
  const auto count = [this] {
    Await<api::LeaseLeasesResult> leases;
    node_->LeaseLeases(leases.done());
    return leases.Get()->leases.size();
  };
  EXPECT_EQ(count(), 50u);
  corrupt.action = api::AlarmAction::kDeactivate;
  ASSERT_TRUE(Propose(corrupt).ok());
  while (count() > 0) std::this_thread::yield();
}

// Calls `between` after a turn was applied and published, before the node does anything about it.
class PausedStateMachine final : public storage::StateMachine {
 public:
  PausedStateMachine(std::unique_ptr<StateMachine> machine, std::function<void(const storage::ApplyOutcome&)> between)
      : machine_(std::move(machine)), between_(std::move(between)) {}

  storage::ApplyOutcome Apply(std::span<const raft::Entry> turn, const storage::WantsPrevious& wants) override {
    storage::ApplyOutcome outcome = machine_->Apply(turn, wants);
    between_(outcome);
    return outcome;
  }
  raft::Index applied() const override { return machine_->applied(); }
  raft::Term applied_term() const override { return machine_->applied_term(); }
  std::shared_ptr<const storage::View> view() const override { return machine_->view(); }
  std::vector<storage::LeaseInfo> Leases() const override { return machine_->Leases(); }
  std::optional<storage::LeaseInfo> FindLease(api::LeaseId id) const override { return machine_->FindLease(id); }
  std::vector<std::string> LeaseKeys(api::LeaseId id) const override { return machine_->LeaseKeys(id); }
  std::vector<api::AlarmMember> Alarms() const override { return machine_->Alarms(); }
  std::vector<api::Member> Members() const override { return machine_->Members(); }
  std::set<uint64_t> RemovedMembers() const override { return machine_->RemovedMembers(); }
  absl::StatusOr<storage::SnapshotFacts> Checkpoint(const std::string& folder) override {
    return machine_->Checkpoint(folder);
  }
  void Replace(std::shared_ptr<storage::Engine> engine) override { machine_->Replace(std::move(engine)); }
  std::optional<storage::PurgePlan> PlanPurge(const storage::View& view, size_t events_max) const override {
    return machine_->PlanPurge(view, events_max);
  }
  void RunPurge(const storage::PurgePlan& plan) override { machine_->RunPurge(plan); }
  std::optional<raft::Entry> configuration() const override { return machine_->configuration(); }
  absl::StatusOr<raft::Index> Flush() override { return machine_->Flush(); }
  absl::StatusOr<raft::Index> PersistedApplied() const override { return machine_->PersistedApplied(); }
  uint64_t digest() const override { return machine_->digest(); }

 private:
  const std::unique_ptr<StateMachine> machine_;
  const std::function<void(const storage::ApplyOutcome&)> between_;
};

TEST_F(NodeTest, ARenewalByWhoHasSeenTheLeaseGoFindsItGone) {
  Await<api::LeaseKeepAliveResult> renewal;
  wrap_ = [&](std::unique_ptr<storage::StateMachine> machine) {
    return std::make_unique<PausedStateMachine>(std::move(machine), [&](const storage::ApplyOutcome& outcome) {
      const bool revoked = !outcome.leases.empty() && outcome.leases[0].kind == storage::LeaseChange::Kind::kRevoked;
      if (revoked) std::thread([&] { node_->LeaseKeepAlive({5}, renewal.done()); }).join();
    });
  };
  Start();
  ASSERT_TRUE(Propose(api::LeaseGrantRequest{.id = {5}, .ttl = 100}).ok());
  ASSERT_TRUE(Propose(api::LeaseRevokeRequest{.id = {5}}).ok());
  EXPECT_EQ(renewal.Get()->ttl, 0);
}

TEST_F(NodeTest, RequestsAreCountedByWhatTheyAreAndHowTheyEnd) {
  Start();
  Put("a", "1");
  EXPECT_FALSE(Propose(api::PutRequest{.key = "a", .lease = {77}}).ok());
  EXPECT_FALSE(Range({.key = "a", .revision = {99}}).ok());
  EXPECT_TRUE(Range({.key = "a"}).ok());
  ASSERT_TRUE(Propose(api::CompactionRequest{.revision = {2}}).ok());
  EXPECT_EQ(Propose(api::CompactionRequest{.revision = {2}}).status(), api::ErrCompacted());
  const std::string text = metrics_.registry.Text();
  for (const std::string sample : {
           R"(etcd_server_apply_duration_seconds_count{op="Put",success="true",version="v3"} 1)",
           R"(etcd_server_apply_duration_seconds_count{op="Put",success="false",version="v3"} 1)",
           R"(etcd_server_apply_duration_seconds_count{op="Compaction",success="true",version="v3"} 2)",
           R"(etcd_server_request_duration_seconds_count{success="true",type="Put"} 2)",
           R"(etcd_server_request_duration_seconds_count{success="true",type="Range"} 1)",
           R"(etcd_server_request_duration_seconds_count{success="false",type="Range"} 1)",
           R"(etcd_server_range_duration_seconds_count{success="false"} 1)",
           "etcd_mvcc_put_total 1\n",
           "etcd_mvcc_range_total 3\n",
           "etcd_debugging_mvcc_total_put_size_in_bytes 2\n",
       }) {
    EXPECT_NE(text.find(sample), std::string::npos) << sample;
  }
}

}  // namespace
}  // namespace regent::server
