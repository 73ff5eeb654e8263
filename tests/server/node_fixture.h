// A node on real threads over the disk and the engine in memory.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "api/contract/errors.h"
#include "gtest/gtest.h"
#include "server/node/node.h"
#include "server/runtime/pool.h"
#include "server/runtime/thread_loop.h"
#include "storage/memory_engine.h"
#include "tests/support/memory_disk.h"

namespace regent::server {

// Answers a Done into a future.
template <typename T>
class Await {
 public:
  api::Done<T> done() {
    return [promise = promise_](absl::StatusOr<T> result) { promise->set_value(std::move(result)); };
  }
  absl::StatusOr<T> Get() { return promise_->get_future().get(); }

 private:
  std::shared_ptr<std::promise<absl::StatusOr<T>>> promise_ = std::make_shared<std::promise<absl::StatusOr<T>>>();
};

class NodeTest : public ::testing::Test {
 protected:
  NodeTest() { EXPECT_TRUE(disk_.CreateFolder("/wal").ok()); }
  void TearDown() override {
    if (node_ != nullptr) Stop();
  }

  void Start(NodeOptions options = {}) {
    options.cluster_id = 7;
    options.member_id = 8;
    options.on_fatal = [](const std::string& why) { ADD_FAILURE() << why; };
    storage::RecoveredLog recovered;
    auto log = storage::LogStore::Open(disk_, "/wal", {.cluster_id = 7, .node_id = 8},
                                       {.segment_bytes = 1 << 20, .prefill_bytes = 1 << 16}, &recovered);
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
    auto state_machine = storage::StateMachine::Open(std::make_shared<storage::MemoryEngine>(store_disk_),
                                                     {.quota_bytes = options.quota_bytes});
    ASSERT_TRUE(state_machine.ok()) << state_machine.status();
    state_machine_ = wrap_ ? wrap_(*std::move(state_machine)) : *std::move(state_machine);
    raft_loop_ = std::make_unique<ThreadLoop>(ThreadLoop::Options{.name = "raft", .any_thread_helps = true});
    log_loop_ = std::make_unique<ThreadLoop>(ThreadLoop::Options{.name = "log"});
    apply_loop_ = std::make_unique<ThreadLoop>(ThreadLoop::Options{.name = "apply", .helper = log_loop_.get()});
    watch_loop_ = std::make_unique<ThreadLoop>(ThreadLoop::Options{.name = "watch"});
    pool_ = std::make_unique<Pool>("pool", 2);
    auto node = Node::Open({.raft_loop = *raft_loop_,
                            .log_loop = *log_loop_,
                            .apply_loop = *apply_loop_,
                            .watch_loop = *watch_loop_,
                            .background = *pool_,
                            .log = *log_,
                            .state_machine = *state_machine_,
                            .transport = transport_,
                            .seed = ++seed_,
                            .metrics = metrics_},
                           options, recovered);
    ASSERT_TRUE(node.ok()) << node.status();
    node_ = *std::move(node);
    std::promise<void> ready;
    node_->Start([&] { ready.set_value(); });
    ready.get_future().wait();
  }

  void Stop() {
    std::promise<void> stopped;
    node_->Stop([&] { stopped.set_value(); });
    stopped.get_future().wait();
    for (ThreadLoop* loop : {raft_loop_.get(), log_loop_.get(), apply_loop_.get(), watch_loop_.get()}) loop->Stop();
    pool_->Stop();
    node_ = nullptr;
    state_machine_ = nullptr;
    log_ = nullptr;
  }

  absl::StatusOr<api::WriteResult> Propose(api::WriteRequest request) {
    Await<api::WriteResult> await;
    node_->Propose(std::move(request), MonotonicTime::max(), await.done());
    return await.Get();
  }
  int64_t Put(const std::string& key, const std::string& value) {
    auto result = Propose(api::PutRequest{.key = key, .value = value});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? std::get<api::PutResult>(*result).revision.value : 0;
  }
  absl::StatusOr<api::RangeResult> Range(api::RangeRequest request) {
    Await<api::RangeResult> await;
    node_->Range(std::move(request), MonotonicTime::max(), await.done());
    return await.Get();
  }

  // The state machine itself is its loop's alone.
  uint64_t Applied() {
    Await<api::StatusResult> await;
    node_->Status(await.done());
    return await.Get()->raft_applied_index;
  }

  // Set before Start: what the node gets instead of the state machine.
  std::function<std::unique_ptr<storage::StateMachine>(std::unique_ptr<storage::StateMachine>)> wrap_;
  testing::MemoryDisk disk_;
  std::shared_ptr<storage::MemoryDisk> store_disk_ = std::make_shared<storage::MemoryDisk>();
  Metrics metrics_;
  NullTransport transport_;
  uint64_t seed_ = 0;
  std::unique_ptr<storage::LogStore> log_;
  std::unique_ptr<storage::StateMachine> state_machine_;
  std::unique_ptr<ThreadLoop> raft_loop_, log_loop_, apply_loop_, watch_loop_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Node> node_;
};

}  // namespace regent::server
