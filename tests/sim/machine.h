// One machine: its disk, and the production node on it while it runs. The power may go at any moment.
#pragma once

#include <memory>
#include <random>

#include "server/node/node.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/truth.h"
#include "tests/support/memory_disk.h"

namespace regent::sim {

class Machine {
 public:
  Machine(Scheduler& scheduler, uint64_t seed, server::NodeOptions options, Truth& truth, Verdict& verdict);
  ~Machine();

  void Start(server::Loop::Task ready);
  // Returns when the node has drained, flushed and stopped.
  void StopCleanly();
  // Ends what is left of the node; then the machine may be started again.
  void Release();
  // Everything in memory is gone, and any part of what was written and not synced. A power loss may come in the middle
  // of a store's own flush: some of the unflushed batches are there afterwards.
  void LosePower();

  server::Node* node() { return node_.get(); }
  server::Metrics& metrics() { return metrics_; }

 private:
  Scheduler& scheduler_;
  std::mt19937_64 random_;
  server::NodeOptions options_;
  Truth& truth_;
  Verdict& verdict_;
  server::Metrics metrics_;
  server::NullTransport transport_;

  std::unique_ptr<testing::MemoryDisk> disk_;
  std::shared_ptr<storage::MemoryDisk> store_disk_ = std::make_shared<storage::MemoryDisk>();

  std::shared_ptr<storage::MemoryEngine> engine_;
  std::unique_ptr<SimulatedLoop> raft_loop_, log_loop_, apply_loop_, watch_loop_, background_;
  std::unique_ptr<storage::LogStore> log_;
  std::unique_ptr<storage::StateMachine> state_machine_;
  std::unique_ptr<server::Node> node_;
};

}  // namespace regent::sim
