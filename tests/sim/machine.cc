#include "tests/sim/machine.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "server/node/bootstrap.h"

namespace regent::sim {
namespace {

constexpr char kLogFolder[] = "/wal";

}  // namespace

server::NodeOptions SmallNodeOptions(const Mutants& mutants) {
  server::NodeOptions options;
  options.cluster_id = 0x1001;
  options.flush_check_interval = std::chrono::milliseconds(300);
  options.flush_interval = std::chrono::milliseconds(700);
  options.purge_events_max = 16;
  options.raft.apply_bytes_max = 32 << 10;
  options.watch.progress_interval = std::chrono::milliseconds(400);
  options.watch.sink_bytes_max = 2000;
  options.watch.message_bytes_max = 1500;
  options.watch.recent_events_max = 30;
  options.watch.slice_rows_min = 4;
  options.watch.slice_rows_max = 64;
  options.watch.slice_bytes_max = 4000;
  options.mutants = mutants.node;
  // The wall clock jumps to anywhere between two looks at it: nothing may depend on it.
  options.unix_seconds = [state = uint64_t{1}]() mutable {
    state = state * 6364136223846793005 + 1442695040888963407;
    return static_cast<double>(state >> 32);
  };
  return options;
}

server::NodeOptions SmallMemberOptions(const Mutants& mutants, uint64_t id) {
  server::NodeOptions options = SmallNodeOptions(mutants);
  options.member_id = id;
  options.name = absl::StrCat("m", id);
  options.client_urls = {absl::StrCat("http://10.0.0.", id, ":2379")};
  options.log_entries_kept = 20;
  options.snapshot_piece_bytes = 8 << 10;
  options.raft.memory_tail_bytes_max = 16 << 10;
  return options;
}

Machine::Machine(Scheduler& scheduler, uint64_t seed, MachineOptions options, Truth& truth, Verdict& verdict)
    : scheduler_(scheduler), random_(seed), options_(std::move(options)), truth_(truth), verdict_(verdict) {
  options_.node.on_fatal = [this](const std::string& why) {
    gave_up_ = true;
    if (!disk_broke()) verdict_.Broken("the node gave up: " + why);
  };
  BeginDisk();
}

Machine::~Machine() { Release(); }

void Machine::BeginDisk() {
  disk_ = std::make_unique<testing::MemoryDisk>();
  store_disk_ = std::make_shared<storage::MemoryDisk>();
  options_.node.incarnation = random_() | 1;
  CHECK(disk_->CreateFolder(kLogFolder).ok());
  CHECK(disk_->CreateFolder(testing::MemorySnapshots::kFolder).ok());
}

void Machine::Start(server::Loop::Task ready) {
  const LoopOptions clock{.clock_rate = options_.clock_rate};
  raft_loop_ = scheduler_.NewLoop("raft", clock);
  log_loop_ = scheduler_.NewLoop("log", clock);
  apply_loop_ = scheduler_.NewLoop("apply", clock);
  watch_loop_ = scheduler_.NewLoop("watch", clock);
  background_ = scheduler_.NewLoop("pool", {.parallel = true, .clock_rate = options_.clock_rate});
  gave_up_ = false;

  // Small segments, so that they are changed and released within a run.
  const storage::LogOptions log_options{.segment_bytes = 256 << 10, .prefill_bytes = 64 << 10, .seed = random_()};
  storage::RecoveredLog recovered;
  absl::StatusOr<std::unique_ptr<storage::LogStore>> log = storage::LogStore::Open(
      *disk_, kLogFolder, {.cluster_id = options_.node.cluster_id, .node_id = options_.node.member_id}, log_options,
      &recovered);
  if (!log.ok()) return verdict_.Broken("the log does not open: " + log.status().ToString());
  log_ = *std::move(log);
  if (!options_.first_members.empty()) {
    const absl::Status written = server::WriteBootstrapEntry(*log_, options_.first_members, &recovered);
    if (!written.ok()) return verdict_.Broken("the first entry cannot be written: " + written.ToString());
  }

  const uint64_t generation = 1000 * ++starts_;
  snapshots_ = std::make_unique<testing::MemorySnapshots>(*disk_, store_disk_, generation);
  engine_ = std::make_shared<storage::MemoryEngine>(store_disk_, generation, disk_.get());
  absl::StatusOr<std::unique_ptr<storage::StateMachine>> state_machine = storage::StateMachine::Open(engine_, {});
  if (!state_machine.ok()) return verdict_.Broken("the store does not open: " + state_machine.status().ToString());
  std::unique_ptr<storage::StateMachine> spoiled =
      Spoil(*std::move(state_machine), options_.mutants, truth_.replay().applied());
  state_machine_ = std::make_unique<WatchedStateMachine>(std::move(spoiled), truth_, scheduler_);
  if (state_machine_->applied() < recovered.base_index) {
    absl::StatusOr<std::shared_ptr<storage::Engine>> received = snapshots_->SwitchToReceived();
    if (!received.ok()) return verdict_.Broken("a received snapshot is gone: " + received.status().ToString());
    state_machine_->Replace(*std::move(received));
  }

  const server::NodeSeams seams{.raft_loop = *raft_loop_,
                                .log_loop = *log_loop_,
                                .apply_loop = *apply_loop_,
                                .watch_loop = *watch_loop_,
                                .background = *background_,
                                .log = *log_,
                                .state_machine = *state_machine_,
                                .transport = options_.transport != nullptr ? *options_.transport : nobody_,
                                .seed = random_(),
                                .metrics = metrics_,
                                .snapshots = snapshots_.get()};
  absl::StatusOr<std::unique_ptr<server::Node>> node = server::Node::Open(seams, options_.node, recovered);
  if (!node.ok()) return verdict_.Broken("the node does not start: " + node.status().ToString());
  node_ = *std::move(node);
  node_->Start(std::move(ready));
}

void Machine::StopCleanly(Duration patience) {
  bool stopped = false;
  MendDisk();
  for (SimulatedLoop* loop : Loops()) loop->EndStall();
  node_->Stop([&stopped] { stopped = true; });
  const MonotonicTime until = scheduler_.now() + patience;
  while (!stopped && node_ != nullptr && scheduler_.now() < until) scheduler_.Step(until);
  if (!stopped && node_ != nullptr) verdict_.Broken("a clean stop took too long");
}

void Machine::LosePower() {
  if (snapshots_ != nullptr && snapshots_->engine() != nullptr) engine_ = snapshots_->engine();
  if (engine_ != nullptr && engine_->unflushed_batches() > 0 && random_() % 2 == 0) {
    engine_->FlushBatches(random_() % (engine_->unflushed_batches() + 1));
  }
  Release();
  writes_refused_ += disk_->refused_for_space();
  disk_ = disk_->AfterCrash([this](const testing::UnsyncedPiece&) { return random_() % 2 == 0; });
}

void Machine::LoseDisks() {
  LosePower();
  BeginDisk();
}

void Machine::MendDisk() { disk_->FailCalls(0, 0, testing::DiskFault::kIoError); }

void Machine::BreakDisk() { disk_->FailCalls(disk_->calls() + 1 + random_() % 20, 1, testing::DiskFault::kIoError); }

void Machine::Pause(Duration duration) {
  for (SimulatedLoop* loop : Loops()) loop->Stall(duration);
}

std::array<SimulatedLoop*, 5> Machine::Loops() const {
  return {raft_loop_.get(), log_loop_.get(), apply_loop_.get(), watch_loop_.get(), background_.get()};
}

void Machine::Release() {
  for (SimulatedLoop* loop : Loops()) {
    if (loop != nullptr) loop->Kill();
  }
  node_ = nullptr;
  state_machine_ = nullptr;
  engine_ = nullptr;
  snapshots_installed_ = snapshots_installed();
  snapshots_ = nullptr;
  log_ = nullptr;
  for (auto* loop : {&raft_loop_, &log_loop_, &apply_loop_, &watch_loop_, &background_}) loop->reset();
}

}  // namespace regent::sim
