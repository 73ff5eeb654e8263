#include "tests/sim/run.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "tests/sim/machine.h"

namespace regent::sim {

using namespace std::chrono_literals;

namespace {

constexpr int kStreams = 3;

enum class Fault : uint8_t { kPowerLoss, kCleanStop, kBrokenDisk, kFullDisk, kSlowDisk, kPause };

// Of every run, at random points of its work.
constexpr Fault kFaults[] = {Fault::kPowerLoss, Fault::kPowerLoss,  Fault::kPowerLoss, Fault::kPowerLoss,
                             Fault::kCleanStop, Fault::kBrokenDisk, Fault::kFullDisk,  Fault::kFullDisk,
                             Fault::kSlowDisk,  Fault::kSlowDisk,   Fault::kPause};

struct PlannedFault {
  uint64_t at = 0;  // when so many operations have begun
  Fault fault = Fault::kPowerLoss;
};

// A third of the machines has a good clock, the others are up to five percent fast or slow.
double ClockRate(uint64_t seed) {
  if (seed % 3 == 0) return 1;
  const double drift = 0.01 * static_cast<double>(1 + seed / 3 % 5);
  return seed % 3 == 1 ? 1 + drift : 1 - drift;
}

server::NodeOptions MakeNodeOptions(const RunOptions& run) {
  server::NodeOptions options = SmallNodeOptions(run.mutants);
  options.member_id = 0x2002;
  options.raft.memory_tail_bytes_max = 64 << 10;
  // Every second node compacts by itself as well.
  if (run.seed % 2 == 0) options.compaction.period = 3s;
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
        machine_(
            scheduler_, random_(),
            {.node = MakeNodeOptions(options), .mutants = options.mutants.store, .clock_rate = ClockRate(options.seed)},
            truth_, verdict_),
        workload_(scheduler_, *clients_, random_(),
                  {.operations = options.operations, .clock_rate = ClockRate(options.seed)}, truth_, verdict_,
                  result_.counters.work) {
    scheduler_.SetStalls(60, 4ms);
    for (int i = 0; i < kStreams; ++i) {
      streams_.push_back(
          std::make_unique<WatchClient>(*clients_, random_(), 2000, truth_, verdict_, result_.counters.watch));
    }
    for (const Fault fault : kFaults) plan_.push_back({random_() % (options.operations * 9 / 10) + 20, fault});
    std::stable_sort(plan_.begin(), plan_.end(),
                     [](const PlannedFault& a, const PlannedFault& b) { return a.at < b.at; });
  }

  RunResult Run() {
    StartMachine();
    ActOnStreams();
    while (!verdict_.broken() && !workload_.finished()) {
      scheduler_.Step(scheduler_.now() + 1s);
      workload_.CheckLeases();
      if (machine_.gave_up() && !verdict_.broken()) OnBrokenDisk();
      if (!plan_.empty() && workload_.begun() >= plan_.front().at) {
        const Fault fault = plan_.front().fault;
        plan_.pop_front();
        Inject(fault);
      }
    }
    if (!verdict_.broken()) Settle();
    Disconnect();
    result_.broken = verdict_.what();
    scheduler_.Trace(static_cast<uint64_t>(truth_.revision().value));
    scheduler_.Trace(truth_.replay().digest());
    result_.trace_hash = scheduler_.trace_hash();
    result_.counters.writes_refused = machine_.writes_refused();
    result_.counters.fast_clocks = ClockRate(options_.seed) > 1 ? 1 : 0;
    result_.counters.slow_clocks = ClockRate(options_.seed) < 1 ? 1 : 0;
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
    const MonotonicTime until = std::max(scheduler_.now(), disk_full_until_) + 5s;
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

  void Inject(Fault fault) {
    RunCounters& counters = result_.counters;
    switch (fault) {
      case Fault::kPowerLoss:
        ++counters.power_losses;
        return LosePower();
      case Fault::kCleanStop:
        ++counters.clean_stops;
        return StopCleanly();
      case Fault::kBrokenDisk:
        return machine_.BreakDisk();
      case Fault::kFullDisk:
        ++counters.full_disks;
        return FillDisk();
      case Fault::kSlowDisk:
        ++counters.slow_disks;
        return machine_.StallDisk(RandomDuration(100ms, 3s));
      case Fault::kPause:
        ++counters.pauses;
        return machine_.Pause(RandomDuration(100ms, 10s));
    }
  }

  Duration RandomDuration(Duration least, Duration most) {
    return least + Duration(random_() % static_cast<uint64_t>((most - least).count()));
  }

  void LosePower() {
    Disconnect();
    machine_.LosePower();
    if (!verdict_.broken()) StartMachine();
  }

  void StopCleanly() {
    // Answers that come while it stops still count.
    machine_.StopCleanly();
    Disconnect();
    machine_.Release();
    if (!verdict_.broken()) StartMachine();
  }

  // The node has given up and acknowledges nothing any more, however long it goes on; then the process ends, and with
  // it goes what was not synced.
  void OnBrokenDisk() {
    ++result_.counters.broken_disks;
    scheduler_.RunFor(RandomDuration(1ms, 2s));
    LosePower();
  }

  // For longer than the node's patience between two tries, and over a power loss if one comes.
  void FillDisk() {
    machine_.FillDisk();
    const Duration full = RandomDuration(500ms, 4s);
    disk_full_until_ = scheduler_.now() + full;
    clients_->PostAfter(full, [this] { machine_.FreeDisk(); });
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
    for (auto& stream : streams_) stream->AskForProgress();
    scheduler_.RunFor(1s);
    for (auto& stream : streams_) stream->CheckProgress();
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
  std::deque<PlannedFault> plan_;
  MonotonicTime disk_full_until_{};
  bool settling_ = false;
};

}  // namespace

RunResult Run(const RunOptions& options) { return Simulation(options).Run(); }

}  // namespace regent::sim
