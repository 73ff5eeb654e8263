#include "tests/crashpoints/life.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "storage/event_row.h"
#include "storage/keys.h"
#include "storage/rocks_engine.h"
#include "storage/versions.h"

namespace regent::crashpoints {

using namespace std::chrono_literals;
using testing::DiskCall;
using testing::RocksDisk;

namespace {

// Everything is small, so that it happens often.
constexpr uint64_t kStoreMemoryBytes = 512 << 10;  // memtables of 64 KiB
constexpr uint64_t kBytesWithoutFlushMax = 60 << 10;
constexpr uint64_t kSegmentBytes = 24 << 10;
constexpr uint64_t kPrefillBytes = 8 << 10;
constexpr uint64_t kReserveBytes = 4 << 10;
constexpr int64_t kQuotaBytes = 400 << 10;
constexpr size_t kChunkBytes = 4 << 10;
constexpr uint64_t kRocksStepOneIn = 5;
constexpr uint64_t kFlushInEntryOneIn = 12;
constexpr uint64_t kTasksUntilReadyMax = 20'000;

}  // namespace

storage::StateMachineOptions MachineOptions() {
  return {.chunk_bytes_max = kChunkBytes, .head_cache_bytes_max = 16 << 10, .quota_bytes = kQuotaBytes};
}

// ---- the engine ----------------------------------------------------------------------------------------------------

class Life::Engine final : public storage::Engine {
 public:
  Engine(Life& life, std::shared_ptr<storage::Engine> engine) : life_(life), engine_(std::move(engine)) {}

  bool Get(std::string_view row, std::string* value) const override { return engine_->Get(row, value); }
  std::unique_ptr<storage::RowIterator> Iterate(std::string upper_bound, storage::Scope scope) const override {
    return engine_->Iterate(std::move(upper_bound), scope);
  }

  // A write that RocksDB would hold up must not come: nothing would go on meanwhile.
  void Write(const storage::Batch& batch) override {
    RocksDisk& rocks = *life_.rocks_;
    if (!rocks.busy()) bytes_since_idle_ = 0;
    bytes_since_idle_ += batch.size_bytes();
    while (bytes_since_idle_ > kBytesWithoutFlushMax && rocks.busy()) life_.StepRocks();
    engine_->Write(batch);
    const bool events_last = !batch.empty() && batch.at(batch.count() - 1).row.starts_with(storage::kEventRows);
    if (batch.empty()) return;
    life_.activity_.chunk = events_last;
    // The node's own flush may come at any moment, in the middle of a large entry too.
    if (events_last && life_.OneIn(kFlushInEntryOneIn)) CHECK_EQ(FlushBeside([] {}), absl::OkStatus());
    const uint64_t steps = life_.random_() % (events_last ? 4 : 2);
    for (uint64_t i = 0; i < steps && rocks.busy(); ++i) life_.StepRocks();
  }

  // The node goes on beside it, as it does in production.
  absl::Status Flush() override {
    return FlushBeside([this] {
      if (life_.OneIn(2)) life_.scheduler_.Step(life_.scheduler_.now());
    });
  }

  std::optional<std::string> GetPersisted(std::string_view row) const override { return engine_->GetPersisted(row); }
  void DropRange(std::string_view begin, std::string_view end) override {
    while (life_.rocks_->busy()) life_.StepRocks();
    engine_->DropRange(begin, end);
  }
  absl::Status Checkpoint(const std::string& directory) override { return engine_->Checkpoint(directory); }
  uint64_t generation() const override { return engine_->generation(); }

 private:
  absl::Status FlushBeside(const std::function<void()>& meanwhile) {
    absl::Status status;
    life_.rocks_->RunBeside([&] { status = engine_->Flush(); },
                            [&] {
                              life_.AfterRocksStep();
                              meanwhile();
                            });
    return status;
  }

  Life& life_;
  const std::shared_ptr<storage::Engine> engine_;
  uint64_t bytes_since_idle_ = 0;
};

// ---- the log -------------------------------------------------------------------------------------------------------

class Life::Log final : public storage::LogStore {
 public:
  Log(Life& life, std::unique_ptr<storage::LogStore> log) : life_(life), log_(std::move(log)) {}

  absl::Status Append(std::span<const raft::Entry> entries) override {
    if (life_.events_.before_append) life_.events_.before_append(entries);
    if (life_.options_.mutant == Mutant::kPurgeBeforeCompaction) PurgeAhead();
    return Rolling([&] { return log_->Append(entries); });
  }
  absl::Status SaveHardState(const raft::HardState& state) override {
    const absl::Status saved = log_->SaveHardState(state);
    if (saved.ok()) life_.saved_term_ = state.term.value;
    return saved;
  }
  absl::StatusOr<std::vector<raft::Entry>> Read(raft::Index from, size_t bytes_max) override {
    return log_->Read(from, bytes_max);
  }
  absl::Status Release(raft::Index through) override {
    life_.activity_.release = true;
    const absl::Status released = log_->Release(through);
    life_.activity_.release = false;
    return released;
  }
  absl::Status Reset(raft::Index index, raft::Term term) override { return log_->Reset(index, term); }
  bool MarkWanted() const override { return log_->MarkWanted(); }
  absl::Status WriteMark() override {
    return Rolling([&] { return log_->WriteMark(); });
  }
  absl::StatusOr<bool> Prepare() override { return log_->Prepare(); }
  raft::Index base_index() const override { return log_->base_index(); }
  raft::Index last_index() const override { return log_->last_index(); }
  uint64_t bytes_on_disk() const override { return log_->bytes_on_disk(); }

  static uint64_t NameCalls(const testing::MemoryDisk& disk) {
    return disk.calls_of(DiskCall::kCreate) + disk.calls_of(DiskCall::kRename);
  }

 private:
  template <typename Call>
  absl::Status Rolling(const Call& call) {
    life_.may_roll_from_ = NameCalls(*life_.disk_);
    const absl::Status status = call();
    life_.may_roll_from_ = UINT64_MAX;
    return status;
  }

  // What the compaction that is about to be logged makes superfluous is gone, durably, before it is logged.
  void PurgeAhead() {
    if (life_.options_.history == nullptr || life_.engine_ == nullptr) return;
    const storage::StateMachine& ahead = life_.options_.history->machine();
    const std::shared_ptr<const storage::View> view = ahead.view();
    if (view->compacted() <= life_.machine().view()->compacted()) return;
    const std::optional<storage::PurgePlan> plan = ahead.PlanPurge(*view, 1'000'000);
    if (!plan.has_value()) return;
    storage::Batch batch;
    for (const std::string& row : plan->rows) batch.Delete(row);
    life_.engine_->Write(batch);
    CHECK_EQ(life_.engine_->Flush(), absl::OkStatus());
  }

  Life& life_;
  const std::unique_ptr<storage::LogStore> log_;
};

// ---- the state machine ---------------------------------------------------------------------------------------------

class Life::Machine final : public storage::StateMachine {
 public:
  Machine(Life& life, std::unique_ptr<storage::StateMachine> machine) : life_(life), machine_(std::move(machine)) {}

  storage::ApplyOutcome Apply(std::span<const raft::Entry> turn, const storage::WantsPrevious& wants) override {
    storage::ApplyOutcome outcome = machine_->Apply(turn, wants);
    if (outcome.compacted) life_.activity_.purge = true;
    if (life_.options_.mutant == Mutant::kAnswerOneAhead) {
      for (storage::Answer& answer : outcome.answers) {
        if (!answer.result.ok()) continue;
        if (auto* put = std::get_if<api::PutResult>(&*answer.result)) ++put->revision.value;
      }
    }
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
    std::optional<storage::PurgePlan> plan = machine_->PlanPurge(view, events_max);
    life_.activity_.purge = plan.has_value();
    if (plan.has_value() && life_.options_.mutant == Mutant::kPurgeTakesDeletes) TakeDeletes(view, &*plan);
    return plan;
  }
  void RunPurge(const storage::PurgePlan& plan) override { machine_->RunPurge(plan); }

  std::optional<raft::Entry> configuration() const override { return machine_->configuration(); }
  absl::StatusOr<raft::Index> Flush() override {
    const raft::Index before = machine_->applied();
    absl::StatusOr<raft::Index> persisted = machine_->Flush();
    if (persisted.ok() && *persisted < before) {
      life_.Violation("RK-04",
                      absl::StrCat("entry ", before.value, " was applied, then the store was flushed, and it is ",
                                   "durable up to ", persisted->value));
    }
    return persisted;
  }
  absl::StatusOr<raft::Index> PersistedApplied() const override { return machine_->PersistedApplied(); }
  uint64_t digest() const override { return machine_->digest(); }

 private:
  // The deletes at the compacted revision, which watchers that begin there must see.
  void TakeDeletes(const storage::View& view, storage::PurgePlan* plan) const {
    const int64_t compacted = view.compacted().value;
    const auto row = life_.engine_->Iterate(storage::EventRow({compacted + 1, 0}), storage::Scope::kRange);
    for (row->Seek(storage::EventRow({compacted, 0})); row->Valid(); row->Next()) {
      const storage::Position position = storage::PositionOfEventRow(row->row());
      if (storage::DecodeEventRecord(position, row->value()).kind == storage::EventKind::kDelete) {
        plan->rows.emplace_back(row->row());
      }
    }
  }

  Life& life_;
  const std::unique_ptr<storage::StateMachine> machine_;
};

// ---- a life --------------------------------------------------------------------------------------------------------

Life::Life(std::shared_ptr<testing::MemoryDisk> disk, LifeOptions options, LifeEvents events)
    : disk_(std::move(disk)),
      options_(options),
      events_(std::move(events)),
      random_(options.seed),
      scheduler_(random_()),
      raft_loop_(scheduler_.NewLoop("raft")),
      log_loop_(scheduler_.NewLoop("log")),
      apply_loop_(scheduler_.NewLoop("apply")),
      watch_loop_(scheduler_.NewLoop("watch")),
      background_(scheduler_.NewLoop("pool", {.parallel = true})),
      rocks_(std::make_unique<RocksDisk>(*disk_, testing::RocksDiskOptions{.dropped = DroppedSyncsOf(options.mutant),
                                                                           .options_file = options.options_file})) {
  disk_->set_observer([this](uint64_t) { OnDiskCall(); });
}

Life::~Life() {
  disk_->set_observer(nullptr);
  for (sim::SimulatedLoop* loop :
       {raft_loop_.get(), log_loop_.get(), apply_loop_.get(), watch_loop_.get(), background_.get()}) {
    loop->Kill();
  }
  node_ = nullptr;
  rocks_->Drain();
  storage_ = nullptr;
  engine_ = nullptr;
}

absl::Status Life::Open() {
  server::Settings settings;
  settings.data_dir = "/data";
  server::StorageParts parts{
      .files = disk_,
      .open_engine = [this](const std::string& directory,
                            uint64_t generation) -> absl::StatusOr<std::shared_ptr<storage::Engine>> {
        absl::StatusOr<std::shared_ptr<storage::Engine>> engine =
            storage::OpenRocksEngine(directory, generation,
                                     {.memory_bytes = kStoreMemoryBytes,
                                      .environment = rocks_->environment(),
                                      .options_file_may_fail = !options_.options_file});
        if (!engine.ok()) return engine;
        engine_ = std::make_shared<Engine>(*this, *std::move(engine));
        return Spoil(engine_, options_.mutant, [this](uint64_t n) { return OneIn(n); });
      },
      .state_machine = MachineOptions(),
      .log = {.segment_bytes = kSegmentBytes,
              .prefill_bytes = kPrefillBytes,
              .spare_segments_max = 1,
              .mutant = LogMutantOf(options_.mutant)},
      .wrap_log =
          [this](std::unique_ptr<storage::LogStore> log) { return std::make_unique<Log>(*this, std::move(log)); },
      .reserve = {.bytes = kReserveBytes, .for_start_bytes = kReserveBytes / 8}};
  absl::StatusOr<std::unique_ptr<server::NodeStorage>> opened =
      server::OpenNodeStorage(settings, std::move(parts), random_(), metrics_);
  if (!opened.ok()) return opened.status();
  storage_ = *std::move(opened);
  saved_term_ = storage_->recovered.hard_state.term.value;
  storage_->state_machine = std::make_unique<Machine>(*this, std::move(storage_->state_machine));
  return absl::OkStatus();
}

server::NodeOptions Life::MakeNodeOptions() {
  server::NodeOptions options;
  options.cluster_id = storage_->facts.identity.cluster_id;
  options.member_id = storage_->facts.identity.node_id;
  options.name = storage_->facts.name;  // and no client URLs: there is nothing to publish, which no history would know
  options.quota_bytes = kQuotaBytes;
  options.flush_check_interval = 10ms;
  options.flush_interval = 30ms;
  options.purge_events_max = 24;
  options.mutants.acknowledge_before_persisted = options_.mutant == Mutant::kAcknowledgeBeforePersisted;
  options.mutants.release_unflushed_log = options_.mutant == Mutant::kReleaseUnflushedLog;
  options.on_fatal = [this](const std::string& why) {
    fatal_ = why;
    Violation("start", "the node gave up: " + why);
  };
  return options;
}

absl::Status Life::Start() {
  const server::NodeSeams seams{.raft_loop = *raft_loop_,
                                .log_loop = *log_loop_,
                                .apply_loop = *apply_loop_,
                                .watch_loop = *watch_loop_,
                                .background = *background_,
                                .log = *storage_->log,
                                .state_machine = *storage_->state_machine,
                                .transport = transport_,
                                .seed = random_(),
                                .metrics = metrics_};
  absl::StatusOr<std::unique_ptr<server::Node>> node =
      server::Node::Open(seams, MakeNodeOptions(), storage_->recovered);
  if (!node.ok()) return node.status();
  node_ = *std::move(node);
  node_->Start(nullptr);
  for (uint64_t i = 0; i < kTasksUntilReadyMax && fatal_.empty(); ++i) {
    if (node_->ready()) return absl::OkStatus();
    Step();
  }
  return absl::InternalError("the node does not become ready: " + fatal_);
}

void Life::Step() {
  if (rocks_->busy() && OneIn(kRocksStepOneIn)) return StepRocks();
  scheduler_.Step(scheduler_.now() + 1s);
}

void Life::RunFor(server::Duration duration) {
  const sim::MonotonicTime until = scheduler_.now() + duration;
  while (scheduler_.now() < until) {
    if (rocks_->busy() && OneIn(kRocksStepOneIn)) {
      StepRocks();
    } else {
      scheduler_.Step(until);
    }
  }
}

absl::StatusOr<api::WriteResult> Life::Ask(api::WriteRequest request) {
  std::optional<absl::StatusOr<api::WriteResult>> answer;
  node_->Propose(std::move(request), sim::MonotonicTime::max(),
                 [&answer](absl::StatusOr<api::WriteResult> result) { answer = std::move(result); });
  for (uint64_t i = 0; i < kTasksUntilReadyMax && !answer.has_value() && fatal_.empty(); ++i) Step();
  if (!answer.has_value()) return absl::InternalError("no answer: " + fatal_);
  return *std::move(answer);
}

int64_t Life::VersionRowsWeight() const {
  int64_t weight = 0;
  const auto row = engine_->Iterate(std::string(1, storage::kVersionRows + 1), storage::Scope::kAll);
  for (row->Seek(std::string(1, storage::kVersionRows)); row->Valid(); row->Next()) {
    const std::string key = storage::KeyOfPrefix(storage::PrefixOfVersionRow(row->row()));
    weight += storage::VersionWeight(key.size(), row->value().size());
  }
  return weight;
}

void Life::StepRocks() {
  rocks_->Step();
  AfterRocksStep();
}

void Life::AfterRocksStep() {
  if (!std::exchange(rocks_called_, false)) return;
  if (events_.on_call) events_.on_call(CurrentActivity(rocks_job_));
}

// On the thread that made the call: the owner's, or RocksDB's while the owner waits for it.
void Life::OnDiskCall() {
  if (std::this_thread::get_id() != owner_) {
    rocks_called_ = true;
    rocks_job_ = rocks_->job();
    return;
  }
  if (events_.on_call) events_.on_call(CurrentActivity(rocks_->job()));
}

Activity Life::CurrentActivity(RocksDisk::Job job) const {
  Activity activity = activity_;
  activity.flush = job == RocksDisk::Job::kFlush;
  activity.compaction = job == RocksDisk::Job::kCompaction;
  activity.roll = may_roll_from_ != UINT64_MAX && Log::NameCalls(*disk_) > may_roll_from_;
  return activity;
}

}  // namespace regent::crashpoints
