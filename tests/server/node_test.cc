// A node on real threads over the disk and the engine in memory.
#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "api/contract/errors.h"
#include "gtest/gtest.h"
#include "tests/server/node_fixture.h"

namespace regent::server {
namespace {

using namespace std::chrono_literals;

TEST_F(NodeTest, WritesFromManyThreadsAreAcknowledgedOnceAndReadBackAfterARestart) {
  Start();
  constexpr int kThreads = 4;
  constexpr int kPuts = 300;
  std::atomic<int> acknowledged{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPuts; ++i) {
        const std::string key = std::to_string(t) + "/" + std::to_string(i);
        const int64_t revision = Put(key, key);
        const auto read = Range({.key = key});
        ASSERT_TRUE(read.ok());
        EXPECT_EQ(read->count, 1) << "a read after the acknowledgement does not see the write";
        EXPECT_GE(read->revision.value, revision);
        ++acknowledged;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(acknowledged, kThreads * kPuts);
  Stop();
  Start();
  const auto all = Range({.key = std::string(1, '\0'), .range_end = std::string(1, '\0'), .count_only = true});
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->count, kThreads * kPuts);
  EXPECT_EQ(all->revision.value, 1 + kThreads * kPuts);
}

TEST_F(NodeTest, ALeaseExpiresNotEarlyAndTakesItsKeysWithIt) {
  NodeOptions options;
  options.election_timeout = 200ms;
  options.heartbeat_interval = 20ms;
  Start(options);
  const MonotonicTime start = std::chrono::steady_clock::now();
  const auto granted = Propose(api::LeaseGrantRequest{.ttl = 1});
  ASSERT_TRUE(granted.ok()) << granted.status();
  const api::LeaseGrantResult lease = std::get<api::LeaseGrantResult>(*granted);
  EXPECT_GT(lease.id.value, 0);
  EXPECT_EQ(lease.ttl, 1);
  ASSERT_TRUE(Propose(api::PutRequest{.key = "a", .lease = lease.id}).ok());
  Await<api::LeaseTimeToLiveResult> time;
  node_->LeaseTimeToLive(lease.id, true, time.done());
  const auto left = time.Get();
  ASSERT_TRUE(left.ok());
  EXPECT_EQ(left->granted_ttl, 1);
  EXPECT_EQ(left->keys, std::vector<std::string>{"a"});
  while (Range({.key = "a"})->count == 1) std::this_thread::yield();
  EXPECT_GE(std::chrono::steady_clock::now() - start, 1s);
  Await<api::LeaseKeepAliveResult> renewal;
  node_->LeaseKeepAlive(lease.id, renewal.done());
  EXPECT_EQ(renewal.Get()->ttl, 0);
  Await<api::LeaseTimeToLiveResult> gone;
  node_->LeaseTimeToLive(lease.id, false, gone.done());
  EXPECT_EQ(gone.Get()->ttl, -1);
}

TEST_F(NodeTest, ShortTimesToLiveAreRaisedToTheMinimum) {
  Start();
  const auto granted = Propose(api::LeaseGrantRequest{.id = {5}, .ttl = -3});
  ASSERT_TRUE(granted.ok());
  EXPECT_EQ(std::get<api::LeaseGrantResult>(*granted).ttl, 2);
  EXPECT_EQ(Propose(api::LeaseGrantRequest{.id = {5}, .ttl = 10}).status(), api::ErrLeaseExists());
}

TEST_F(NodeTest, ARequestTooLargeIsRefusedAndCallsAfterStopAreToldSo) {
  NodeOptions options;
  options.request_bytes_max = 1000;
  Start(options);
  EXPECT_EQ(Propose(api::PutRequest{.key = "a", .value = std::string(1000, 'x')}).status(), api::ErrRequestTooLarge());
  EXPECT_EQ(Put("a", "b"), 2);
  std::promise<void> stopped;
  node_->Stop([&] { stopped.set_value(); });
  stopped.get_future().wait();
  EXPECT_EQ(Propose(api::PutRequest{.key = "a"}).status(), api::ErrStopped());
  EXPECT_EQ(Range({.key = "a"}).status(), api::ErrStopped());
  for (ThreadLoop* loop : {raft_loop_.get(), log_loop_.get(), apply_loop_.get(), watch_loop_.get()}) loop->Stop();
  pool_->Stop();
  node_ = nullptr;
}

TEST_F(NodeTest, APhysicalCompactionIsAnsweredWhenTheHistoryIsGone) {
  Start();
  for (int i = 0; i < 2000; ++i) Put("a", std::to_string(i));
  const int64_t before = state_machine_->view()->logical_size();
  ASSERT_TRUE(Propose(api::CompactionRequest{.revision = {2001}, .physical = true}).ok());
  EXPECT_LT(state_machine_->view()->logical_size(), before);
  EXPECT_FALSE(state_machine_->PlanPurge(*state_machine_->view(), 100).has_value());
  EXPECT_EQ(Range({.key = "a", .revision = {1000}}).status(), api::ErrCompacted());
}

TEST_F(NodeTest, StatusMembersAndAlarmsTellTheFacts) {
  NodeOptions options;
  options.name = "one";
  options.client_urls = {"http://a:1"};
  Start(options);
  Put("a", "b");
  Await<api::StatusResult> await;
  node_->Status(await.done());
  const auto status = await.Get();
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->leader, 8u);
  EXPECT_EQ(status->revision.value, 2);
  EXPECT_EQ(status->raft_applied_index, status->raft_index);
  EXPECT_TRUE(node_->HasLeader());
  Await<std::vector<api::Member>> members;
  node_->MemberList(true, MonotonicTime::max(), members.done());
  const auto list = members.Get();
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(list->front().name, "one");
  ASSERT_TRUE(Propose(api::AlarmRequest{
                          .action = api::AlarmAction::kActivate, .member_id = 8, .alarm = api::AlarmType::kNoSpace})
                  .ok());
  Await<api::AlarmResult> alarms;
  node_->Alarms({}, alarms.done());
  EXPECT_EQ(alarms.Get()->alarms.size(), 1u);
  // A question for one kind of alarm, or about a member that has none, whose id does not matter.
  Await<api::AlarmResult> corrupt;
  node_->Alarms({.alarm = api::AlarmType::kCorrupt}, corrupt.done());
  EXPECT_EQ(corrupt.Get()->alarms.size(), 0u);
  Await<api::AlarmResult> other_member;
  node_->Alarms({.member_id = 7}, other_member.done());
  EXPECT_EQ(other_member.Get()->alarms.size(), 1u);
  EXPECT_EQ(Propose(api::PutRequest{.key = "a"}).status(), api::ErrNoSpace());
}

}  // namespace
}  // namespace regent::server
