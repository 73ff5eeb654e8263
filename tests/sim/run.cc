#include "tests/sim/run.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "tests/sim/machine.h"

namespace regent::sim {

using namespace std::chrono_literals;

namespace {

constexpr int kStreams = 3;
constexpr uint64_t kPowerLosses = 4;

server::NodeOptions MakeNodeOptions(const RunOptions& run) {
  server::NodeOptions options;
  options.cluster_id = 0x1001;
  options.member_id = 0x2002;
  options.flush_check_interval = 300ms;
  options.flush_interval = 700ms;
  options.purge_events_max = 16;
  options.raft.apply_bytes_max = 32 << 10;
  options.raft.memory_tail_bytes_max = 64 << 10;
  options.watch.progress_interval = 400ms;
  options.watch.sink_bytes_max = 2000;
  options.watch.message_bytes_max = 1500;
  options.watch.recent_events_max = 30;
  options.watch.slice_rows_min = 4;
  options.watch.slice_rows_max = 64;
  options.watch.slice_bytes_max = 4000;
  // Every second node compacts by itself as well.
  if (run.seed % 2 == 0) options.compaction.period = 3s;
  options.mutants = run.mutants;
  return options;
}

class Simulation {
 public:
  explicit Simulation(const RunOptions& options)
      : options_(options),
        random_(options.seed * 0x9e3779b97f4a7c15 + 1),
        scheduler_(random_()),
        truth_(verdict_),
        clients_(scheduler_.NewLoop("clients")),
        machine_(scheduler_, random_(), MakeNodeOptions(options), truth_, verdict_),
        workload_(scheduler_, *clients_, random_(), options.operations, truth_, verdict_, result_.counters.work) {
    scheduler_.SetStalls(60, 4ms);
    for (int i = 0; i < kStreams; ++i) {
      streams_.push_back(
          std::make_unique<WatchClient>(*clients_, random_(), 2000, truth_, verdict_, result_.counters.watch));
    }
    // Power losses at random points of the work, and one clean stop.
    for (uint64_t i = 0; i <= kPowerLosses; ++i)
      interruptions_.push_back(random_() % (options.operations * 9 / 10) + 20);
    std::sort(interruptions_.begin(), interruptions_.end());
    clean_one_ = random_() % interruptions_.size();
  }

  RunResult Run() {
    StartMachine();
    ActOnStreams();
    while (!verdict_.broken() && !workload_.finished()) {
      scheduler_.Step(scheduler_.now() + 1s);
      workload_.CheckLeases();
      if (next_interruption_ < interruptions_.size() && workload_.begun() >= interruptions_[next_interruption_])
        Interrupt();
    }
    if (!verdict_.broken()) Settle();
    Disconnect();
    result_.broken = verdict_.what();
    scheduler_.Trace(static_cast<uint64_t>(truth_.revision().value));
    scheduler_.Trace(truth_.replay().digest());
    result_.trace_hash = scheduler_.trace_hash();
    result_.counters.entries = truth_.replay().applied().value;
    result_.counters.virtual_seconds =
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(scheduler_.now() - start_).count());
    return result_;
  }

 private:
  void StartMachine() {
    bool ready = false;
    machine_.Start([&ready] { ready = true; });
    // Sometimes clients come before the node is ready: they wait and are answered all the same.
    const bool early = random_() % 2 == 0;
    if (early) Connect();
    const MonotonicTime until = scheduler_.now() + 5s;
    while (!ready && !verdict_.broken() && scheduler_.now() < until) scheduler_.Step(until);
    if (!ready && !verdict_.broken()) verdict_.Broken("the node was not ready within five seconds");
    if (!early) Connect();
  }

  void Connect() {
    if (machine_.node() == nullptr) return;
    workload_.Connect(*machine_.node());
    for (auto& stream : streams_) stream->Connect(*machine_.node());
  }

  void Disconnect() {
    workload_.Disconnect();
    for (auto& stream : streams_) stream->Disconnect();
  }

  void Interrupt() {
    const bool clean = next_interruption_ == clean_one_;
    ++next_interruption_;
    if (clean) {
      ++result_.counters.clean_stops;
      // Answers that come while it stops still count.
      machine_.StopCleanly();
      Disconnect();
      machine_.Release();
    } else {
      ++result_.counters.power_losses;
      Disconnect();
      machine_.LosePower();
    }
    if (!verdict_.broken()) StartMachine();
  }

  void ActOnStreams() {
    clients_->PostAfter(std::chrono::milliseconds(random_() % 60), [this] {
      if (settling_) return;
      streams_[random_() % streams_.size()]->Act();
      ActOnStreams();
    });
  }

  // Nobody renews any more: every lease ends, every watcher gets everything.
  void Settle() {
    settling_ = true;
    scheduler_.RunFor(15s);
    workload_.CheckLeases();
    workload_.CheckLeasesGone();
    for (auto& stream : streams_) stream->CheckComplete();
  }

  const RunOptions options_;
  std::mt19937_64 random_;
  RunResult result_;
  Scheduler scheduler_;
  const MonotonicTime start_ = scheduler_.now();
  Verdict verdict_;
  Truth truth_;
  std::unique_ptr<SimulatedLoop> clients_;
  Machine machine_;
  Workload workload_;
  std::vector<std::unique_ptr<WatchClient>> streams_;
  std::vector<uint64_t> interruptions_;
  size_t next_interruption_ = 0;
  size_t clean_one_ = 0;
  bool settling_ = false;
};

}  // namespace

RunResult Run(const RunOptions& options) { return Simulation(options).Run(); }

}  // namespace regent::sim
