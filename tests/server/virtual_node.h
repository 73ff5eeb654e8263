// A single node on a disk in memory, under virtual time: nothing happens but in RunFor. Ready when it is made.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "server/node/node.h"
#include "storage/log_store.h"
#include "storage/memory_engine.h"
#include "tests/sim/scheduler.h"
#include "tests/support/memory_disk.h"

namespace regent::server {

class VirtualNode {
 public:
  static constexpr uint64_t kMemberId = 8;

  struct Setup {
    storage::LogOptions log{.segment_bytes = 1 << 20, .prefill_bytes = 1 << 16};
    NodeOptions options{};                    // the ids and on_fatal are filled in
    storage::ReserveFile* reserve = nullptr;  // outlives the node
  };

  // `disk` outlives the node.
  VirtualNode(regent::testing::MemoryDisk& disk, Setup setup) {
    EXPECT_TRUE(disk.CreateFolder("/wal").ok());
    storage::RecoveredLog recovered;
    log_ = *storage::LogStore::Open(disk, "/wal", {.cluster_id = 7, .node_id = kMemberId}, std::move(setup.log),
                                    &recovered);
    state_machine_ = *storage::StateMachine::Open(
        std::make_shared<storage::MemoryEngine>(std::make_shared<storage::MemoryDisk>()), {});
    setup.options.cluster_id = 7;
    setup.options.member_id = kMemberId;
    setup.options.on_fatal = [](const std::string& why) { ADD_FAILURE() << why; };
    const NodeSeams seams{.raft_loop = *raft_loop_,
                          .log_loop = *log_loop_,
                          .apply_loop = *apply_loop_,
                          .watch_loop = *watch_loop_,
                          .background = *pool_,
                          .log = *log_,
                          .state_machine = *state_machine_,
                          .transport = transport_,
                          .seed = 1,
                          .metrics = metrics_,
                          .reserve = setup.reserve};
    node_ = *Node::Open(seams, std::move(setup.options), recovered);
    node_->Start([] {});
    RunFor(std::chrono::seconds(2));
    EXPECT_TRUE(node_->ready());
  }
  ~VirtualNode() {
    for (auto* loop : {&raft_loop_, &log_loop_, &apply_loop_, &watch_loop_, &pool_}) (*loop)->Kill();
  }
  VirtualNode(const VirtualNode&) = delete;

  void RunFor(Duration time) { scheduler_.RunFor(time); }
  Node& node() { return *node_; }
  const storage::StateMachine& state_machine() const { return *state_machine_; }

 private:
  sim::Scheduler scheduler_{3};
  Metrics metrics_;
  NullTransport transport_;
  std::unique_ptr<sim::SimulatedLoop> raft_loop_ = scheduler_.NewLoop("raft"), log_loop_ = scheduler_.NewLoop("log"),
                                      apply_loop_ = scheduler_.NewLoop("apply"),
                                      watch_loop_ = scheduler_.NewLoop("watch"),
                                      pool_ = scheduler_.NewLoop("pool", {.parallel = true});
  std::unique_ptr<storage::LogStore> log_;
  std::unique_ptr<storage::StateMachine> state_machine_;
  std::unique_ptr<Node> node_;
};

}  // namespace regent::server
