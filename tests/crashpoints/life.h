// One life of the production node on a disk: data folder, log, RocksDB, state machine and node are opened as the server
// opens them, and run under virtual time until the power goes (the Life is destroyed; the disk stays as it is).
//
// RocksDB's background work moves a step now and then between the node's tasks and inside its writes; so calls of a
// flush, of the log and of a large entry's chunks lie between each other in every order that the seed draws.
#pragma once

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "server/node/node.h"
#include "server/node_storage.h"
#include "tests/crashpoints/history.h"
#include "tests/crashpoints/mutants.h"
#include "tests/sim/scheduler.h"
#include "tests/support/memory_disk.h"
#include "tests/support/rocks_disk.h"

namespace regent::crashpoints {

// What is under way at a moment.
struct Activity {
  bool flush = false;       // of the store
  bool compaction = false;  // RocksDB's, of its files
  bool purge = false;       // behind a compaction of the key space
  bool roll = false;        // the log goes on to a new segment
  bool release = false;     // the log gives up old segments
  bool chunk = false;       // a large entry is applied in part
};

// What the test sees of a life. All of it runs on the owner's thread.
struct LifeEvents {
  std::function<void(const Activity&)> on_call;                     // the disk was changed
  std::function<void(std::span<const raft::Entry>)> before_append;  // the log is about to write these
  std::function<void(const std::string& mark, const std::string& what)> on_violation;
};

struct LifeOptions {
  uint64_t seed = 0;
  Mutant mutant = Mutant::kNone;
  bool options_file = true;          // see RocksDiskOptions
  const History* history = nullptr;  // of a mutant: what the log will hold
};

storage::StateMachineOptions MachineOptions();

class Life {
 public:
  Life(std::shared_ptr<testing::MemoryDisk> disk, LifeOptions options, LifeEvents events);
  ~Life();

  // Opens what lies on the disk.
  [[nodiscard]] absl::Status Open();
  // Starts the node on it; OK when it is ready to serve. REQUIRES: Open was OK.
  [[nodiscard]] absl::Status Start();

  // Runs one task of the node or one step of RocksDB.
  void Step();
  void RunFor(server::Duration duration);
  // Proposes and runs until it is answered.
  absl::StatusOr<api::WriteResult> Ask(api::WriteRequest request);

  bool opened() const { return storage_ != nullptr; }
  server::Node& node() { return *node_; }
  storage::StateMachine& machine() { return *storage_->state_machine; }
  storage::LogStore& log() { return *storage_->log; }
  const storage::RecoveredLog& recovered() const { return storage_->recovered; }
  sim::Scheduler& scheduler() { return scheduler_; }
  // The weight, by the store's rule, of all version rows that the engine holds.
  int64_t VersionRowsWeight() const;
  // The term that the log has acknowledged.
  uint64_t saved_term() const { return saved_term_; }
  void Violation(const std::string& mark, const std::string& what) { events_.on_violation(mark, what); }

 private:
  class Engine;
  class Log;
  class Machine;

  server::NodeOptions MakeNodeOptions();
  void StepRocks();
  void AfterRocksStep();
  void OnDiskCall();
  Activity CurrentActivity(testing::RocksDisk::Job job) const;
  bool OneIn(uint64_t n) { return random_() % n == 0; }

  const std::shared_ptr<testing::MemoryDisk> disk_;
  const LifeOptions options_;
  const LifeEvents events_;
  const std::thread::id owner_ = std::this_thread::get_id();
  std::mt19937_64 random_;
  sim::Scheduler scheduler_;
  std::unique_ptr<sim::SimulatedLoop> raft_loop_, log_loop_, apply_loop_, watch_loop_, background_;
  server::Metrics metrics_;
  server::NullTransport transport_;
  std::unique_ptr<testing::RocksDisk> rocks_;
  std::shared_ptr<storage::Engine> engine_;
  std::unique_ptr<server::NodeStorage> storage_;
  std::unique_ptr<server::Node> node_;

  Activity activity_;                    // of the owner's thread
  uint64_t may_roll_from_ = UINT64_MAX;  // calls that change names before the running one of the log
  bool rocks_called_ = false;
  testing::RocksDisk::Job rocks_job_ = testing::RocksDisk::Job::kNone;
  uint64_t saved_term_ = 0;
  std::string fatal_;
};

}  // namespace regent::crashpoints
