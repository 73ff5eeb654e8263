// One machine: its disk, its clock, and the production node on it while it runs. The power may go at any moment, the
// disk of the log may be full, slow or broken, and the machine may stand still for a while.
#pragma once

#include <array>
#include <memory>
#include <random>
#include <vector>

#include "server/node/node.h"
#include "tests/sim/mutants.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/truth.h"
#include "tests/support/memory_disk.h"
#include "tests/support/memory_snapshots.h"

namespace regent::sim {

struct MachineOptions {
  server::NodeOptions node;
  StoreMutants mutants;
  double clock_rate = 1;
  server::Transport* transport = nullptr;    // null: a node without others
  std::vector<api::Member> first_members{};  // of a cluster; empty: the node knows itself alone
};

// Limits so small that everything happens often: flushes, purges in pieces, watchers that fall behind.
server::NodeOptions SmallNodeOptions(const Mutants& mutants);
server::NodeOptions SmallMemberOptions(const Mutants& mutants, uint64_t id);  // of a cluster

class Machine {
 public:
  Machine(Scheduler& scheduler, uint64_t seed, MachineOptions options, Truth& truth, Verdict& verdict);
  ~Machine();

  void Start(server::Loop::Task ready);
  // Whatever the disk does: it works again. Returns when the node has drained, flushed and stopped, or has lost its
  // power meanwhile.
  void StopCleanly(Duration patience = std::chrono::seconds(1));
  // Ends what is left of the node; then the machine may be started again.
  void Release();
  // Everything in memory is gone, and any part of what was written and not synced. A power loss may come in the middle
  // of a store's own flush: some of the unflushed batches are there afterwards.
  void LosePower();
  // And everything on the disks. Another start begins as the first one did, with another incarnation.
  void LoseDisks();

  // No more space than there is, until FreeDisk; power losses do not help.
  void FillDisk() { disk_->set_capacity(disk_->bytes_used() + random_() % 2000); }
  void FreeDisk() { disk_->set_capacity(UINT64_MAX); }
  uint64_t writes_refused() const { return writes_refused_ + disk_->refused_for_space(); }
  // One of the next calls fails: the node must give up, and acknowledge nothing any more.
  void MendDisk();  // a break that is planned does not come any more
  void BreakDisk();
  bool disk_broke() const { return disk_->faults_injected() > 0; }
  // The node has called on_fatal, which is a broken promise unless the disk broke.
  bool gave_up() const { return gave_up_; }
  void StallDisk(Duration duration) { log_loop_->Stall(duration); }
  void Pause(Duration duration);

  server::Node* node() { return node_.get(); }
  raft::Index durable() const { return log_ == nullptr ? raft::Index{} : log_->last_index(); }  // in the log on disk
  const storage::StateMachine& state_machine() const { return *state_machine_; }                // while the node runs
  uint64_t incarnation() const { return options_.node.incarnation; }
  int snapshots_installed() const { return snapshots_installed_ + (snapshots_ ? snapshots_->installed() : 0); }
  server::Metrics& metrics() { return metrics_; }

 private:
  void BeginDisk();
  std::array<SimulatedLoop*, 5> Loops() const;  // null while the node does not run

  Scheduler& scheduler_;
  std::mt19937_64 random_;
  MachineOptions options_;
  Truth& truth_;
  Verdict& verdict_;
  server::Metrics metrics_;
  server::NullTransport nobody_;

  std::unique_ptr<testing::MemoryDisk> disk_;
  uint64_t writes_refused_ = 0;  // by earlier states of the disk
  bool gave_up_ = false;
  std::shared_ptr<storage::MemoryDisk> store_disk_;

  uint64_t starts_ = 0;
  int snapshots_installed_ = 0;  // in earlier lives

  std::unique_ptr<testing::MemorySnapshots> snapshots_;
  std::shared_ptr<storage::MemoryEngine> engine_;  // opened at the start; a snapshot may have taken its place
  std::unique_ptr<SimulatedLoop> raft_loop_, log_loop_, apply_loop_, watch_loop_, background_;
  std::unique_ptr<storage::LogStore> log_;
  std::unique_ptr<storage::StateMachine> state_machine_;
  std::unique_ptr<server::Node> node_;
};

}  // namespace regent::sim
