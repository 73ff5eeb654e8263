#include "tests/crashpoints/enumeration.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "absl/strings/str_cat.h"
#include "api/contract/errors.h"
#include "glog/logging.h"
#include "storage/command.h"

namespace regent::crashpoints {

using namespace std::chrono_literals;
using testing::MemoryDisk;
using testing::UnsyncedPiece;

namespace {

constexpr int kLives = 2;
constexpr size_t kCallsDense = 12, kCallsQuiet = 1;  // unsynced calls that are lost or kept one by one
constexpr char kLogFolder[] = "/data/member/wal";

bool All(const UnsyncedPiece&) { return true; }
bool None(const UnsyncedPiece&) { return false; }

bool Dense(const Activity& activity) {
  return activity.flush || activity.compaction || activity.purge || activity.release || activity.chunk;
}

}  // namespace

std::vector<std::pair<const char*, uint64_t*>> Fields(Counters& c) {
  return {{"states", &c.states},
          {"distinct", &c.distinct},
          {"inside-flush-or-purge", &c.flush_or_purge},
          {"inside-flush", &c.flush},
          {"inside-purge", &c.purge},
          {"inside-compaction", &c.compaction},
          {"inside-segment-roll", &c.roll},
          {"inside-release", &c.release},
          {"inside-chunked-entry", &c.chunk},
          {"elsewhere", &c.quiet},
          {"inside-first-start", &c.before_first_start},
          {"second-crashes-in-recovery", &c.second_crashes},
          {"second-crashes-later", &c.second_crashes_later},
          {"kills", &c.kills},
          {"with-options-file", &c.options_files},
          {"replayed-entries", &c.replayed_entries},
          {"in-flight-found", &c.in_flight_found},
          {"torn-tails", &c.torn_tails},
          {"went-on", &c.went_on},
          {"purged-to-the-end", &c.purged},
          {"recorded-calls", &c.recorded_calls},
          {"recorded-entries", &c.recorded_entries},
          {"episodes", &c.episodes},
          {"acknowledged", &c.work.acknowledged},
          {"refused", &c.work.refused},
          {"puts", &c.work.puts},
          {"deletes", &c.work.deletes},
          {"txns", &c.work.txns},
          {"large-txns", &c.work.large},
          {"grants", &c.work.grants},
          {"revokes", &c.work.revokes},
          {"expiries", &c.work.expiries},
          {"compactions", &c.work.compactions},
          {"physical", &c.work.physical},
          {"tombstones-compacted", &c.work.tombstones_compacted},
          {"alarms", &c.work.alarms},
          {"no-space", &c.work.no_space},
          {"verbs", &c.work.verbs}};
}

Episode::Episode(EpisodeOptions options, std::unordered_set<uint64_t>& hashes, Counters& counters, Findings& findings)
    : options_(std::move(options)),
      hashes_(hashes),
      counters_(counters),
      findings_(findings),
      random_(options_.seed * 0x9e3779b97f4a7c15 + 1),
      history_(MachineOptions()),
      disk_(std::make_shared<MemoryDisk>()) {}

void Episode::Run() {
  ++counters_.episodes;
  LearnFirstEntry();
  for (int life = 0; life < kLives && !Stopped(); ++life) RunLife();
  counters_.recorded_entries += history_.last_index();
  for (uint64_t index = 1; index <= history_.last_index(); ++index) {
    const raft::Entry& entry = history_.EntryAt(index);
    if (entry.type != raft::EntryType::kNormal || entry.data.empty()) continue;
    const absl::StatusOr<storage::Command> command = storage::DecodeCommand(entry.data);
    CHECK(command.ok()) << command.status();
    counters_.work.expiries += std::holds_alternative<api::LeaseExpiryRequest>(command->body) ? 1 : 0;
  }
}

// Every first start writes the same entry 1, also one whose beginning was lost in a crash.
void Episode::LearnFirstEntry() {
  Life life(std::make_shared<MemoryDisk>(), LifeOptions{.seed = 1},
            LifeEvents{.before_append = [this](std::span<const raft::Entry> entries) { history_.Append(entries); }});
  CHECK_EQ(life.Open(), absl::OkStatus());
}

void Episode::OnAppend(std::span<const raft::Entry> entries) {
  const bool known = entries.size() == 1 && entries[0].index.value == 1 && history_.last_index() == 1;
  if (!known) return history_.Append(entries);
  CHECK(entries[0].data == history_.EntryAt(1).data) << "two first starts write different first entries";
}

// The process is killed at its end; the next one goes on with the history.
void Episode::RunLife() {
  life_ = std::make_unique<Life>(
      disk_, LifeOptions{.seed = random_(), .mutant = options_.mutant, .history = &history_},
      LifeEvents{.on_call = [this](const Activity& activity) { OnCall(activity); },
                 .before_append = [this](std::span<const raft::Entry> entries) { OnAppend(entries); },
                 .on_violation = [this](const std::string& mark, const std::string& what) { Found(mark, what); }});
  absl::Status status = life_->Open();
  if (status.ok()) status = life_->Start();
  if (status.ok()) {
    workload_ = std::make_unique<Workload>(*life_, history_, random_(), options_.operations, counters_.work);
    workload_->Start();
    while (!workload_->finished() && !Stopped()) life_->Step();
    // Short leases run out.
    if (!Stopped()) life_->RunFor(OneIn(2) ? 2600ms : 200ms);
    resumed_ = PromisedNow();
  } else {
    Found("start", "the recorded life does not start: " + status.ToString());
  }
  std::shared_ptr<MemoryDisk> next = disk_->AfterKill();
  workload_ = nullptr;
  life_ = nullptr;
  disk_ = std::move(next);
}

bool Episode::Stopped() const {
  if (hashes_.size() >= options_.distinct_max) return true;
  return options_.stop_at.empty() ? !findings_.by_mark.empty() : findings_.Has(options_.stop_at);
}

Promised Episode::PromisedNow() const {
  Promised promised = resumed_;
  if (life_->opened()) {
    promised.index = std::max(promised.index, life_->machine().applied().value);
    promised.term = std::max(promised.term, life_->saved_term());
  }
  if (workload_ != nullptr) promised.revision = std::max(promised.revision, workload_->acknowledged_revision());
  return promised;
}

void Episode::Found(const std::string& mark, const std::string& what) {
  auto& [count, first] = findings_.by_mark[mark];
  if (count++ == 0) first = absl::StrCat("seed ", options_.seed, ", call ", calls_, ": ", what);
  if (options_.on_stop && mark == options_.stop_at) options_.on_stop();
}

LifeOptions Episode::NextLife() {
  const bool options_file = OneIn(8);
  counters_.options_files += options_file ? 1 : 0;
  return {.seed = random_(), .mutant = options_.mutant, .options_file = options_file};
}

// ---- crashes -------------------------------------------------------------------------------------------------------

void Episode::OnCall(const Activity& activity) {
  if (Stopped()) return;
  ++calls_;
  ++counters_.recorded_calls;
  activity_ = activity;
  const bool dense = Dense(activity);
  std::set<uint64_t> unsynced;
  for (const UnsyncedPiece& piece : disk_->Unsynced()) unsynced.insert(piece.call);
  Crash(All);
  if (unsynced.empty()) return;
  Crash(None);
  if (OneIn(dense ? 4 : 10)) KillThenCrash();
  std::vector<uint64_t> calls(unsynced.begin(), unsynced.end());
  // The newest call, and others by lot.
  for (size_t i = calls.size() - 1; i > 0; --i) std::swap(calls[i - 1], calls[Draw(i)]);
  std::reverse(calls.begin(), calls.end());
  if (calls.size() > (dense ? kCallsDense : kCallsQuiet)) calls.resize(dense ? kCallsDense : kCallsQuiet);
  for (const uint64_t call : calls) {
    Crash([call](const UnsyncedPiece& piece) { return piece.call != call; });
    Crash([call](const UnsyncedPiece& piece) { return piece.call < call; });
    if (dense) Crash([call](const UnsyncedPiece& piece) { return piece.call == call; });
  }
  std::vector<uint64_t> percents = {50, 10, 20, 30, 40, 60, 70, 80, 90};
  if (!dense) percents.resize(OneIn(3) ? 1 : 0);
  for (const uint64_t percent : percents) {
    Crash([&](const UnsyncedPiece&) { return Draw(100) < percent; });
  }
  // All but the first sector of each write, which holds its header.
  std::set<uint64_t> seen;
  Crash([&](const UnsyncedPiece& piece) { return !seen.insert(piece.call).second; });
}

void Episode::Crash(const Survives& survives) {
  if (Stopped()) return;
  ++counters_.states;
  Promised promised = PromisedNow();
  const std::shared_ptr<MemoryDisk> after = disk_->AfterCrash([&](const UnsyncedPiece& piece) {
    const bool kept = survives(piece);
    if (!kept && piece.names && piece.path == kLogFolder) promised.log_names_lost = true;
    return kept;
  });
  if (!hashes_.insert(after->Hash()).second) return;
  Count(activity_);
  if (OneIn(Dense(activity_) ? 8 : 25)) CrashAgain(*after, promised);
  Recover(after, promised, true);
}

void Episode::Count(const Activity& activity) {
  ++counters_.distinct;
  counters_.flush_or_purge += activity.flush || activity.purge ? 1 : 0;
  counters_.flush += activity.flush ? 1 : 0;
  counters_.purge += activity.purge ? 1 : 0;
  counters_.compaction += activity.compaction ? 1 : 0;
  counters_.roll += activity.roll ? 1 : 0;
  counters_.release += activity.release ? 1 : 0;
  counters_.chunk += activity.chunk ? 1 : 0;
  counters_.quiet += Dense(activity) || activity.roll ? 0 : 1;
  counters_.before_first_start += life_->opened() || resumed_.index > 0 ? 0 : 1;
}

// ---- recoveries ----------------------------------------------------------------------------------------------------

void Episode::Recover(std::shared_ptr<MemoryDisk> disk, const Promised& promised, bool first) {
  const Report report = [this](const std::string& mark, const std::string& what) { Found(mark, what); };
  Life life(disk, NextLife(), LifeEvents{.on_violation = report});
  if (const absl::Status opened = life.Open(); !opened.ok()) {
    if (std::string(opened.message()).find("the store in") != std::string::npos) Found("RK-68", opened.ToString());
    if (promised.log_names_lost) Found("RK-63", opened.ToString());
    return Found("start", opened.ToString());
  }
  const uint64_t index = CheckLog(life, history_, promised, report);
  const uint64_t applied = life.machine().applied().value;
  counters_.torn_tails += life.recovered().torn_bytes > 0 ? 1 : 0;
  counters_.in_flight_found += index > promised.index ? 1 : 0;
  counters_.replayed_entries += index - std::min(index, applied);
  CheckState(life.machine(), history_, std::min(index, applied), Moment::kFound, random_, report);
  if (const absl::Status started = life.Start(); !started.ok()) return Found("start", started.ToString());
  CheckState(life.machine(), history_, index, Moment::kReplayed, random_, report);
  const int64_t revision = life.machine().view()->revision().value;
  if (revision < promised.revision) {
    Found("RK-02", absl::StrCat("revision ", revision, ", acknowledged was ", promised.revision));
  }
  if (first && OneIn(4)) GoOn(life, disk, index);
}

// The node writes on, flushes, releases, purges; then the power goes again.
void Episode::GoOn(Life& life, const std::shared_ptr<MemoryDisk>& disk, uint64_t index) {
  const int64_t before = history_.At(index).revision;
  const absl::StatusOr<api::WriteResult> put =
      life.Ask(api::PutRequest{.key = "after", .value = std::string(200 + Draw(2000), 'a')});
  if (put.ok() && std::get<api::PutResult>(*put).revision.value != before + 1) {
    Found("write", absl::StrCat("the first write has revision ", std::get<api::PutResult>(*put).revision.value,
                                ", the last before was ", before));
  }
  if (!put.ok() && put.status() != api::ErrNoSpace()) Found("write", "refused: " + put.status().ToString());
  if (OneIn(3)) {
    const absl::StatusOr<api::WriteResult> compacted =
        life.Ask(api::CompactionRequest{.revision = {life.machine().view()->revision()}, .physical = OneIn(2)});
    if (!compacted.ok() && compacted.status() != api::ErrCompacted()) Found("write", compacted.status().ToString());
  }
  ++counters_.went_on;
  if (OneIn(4)) {
    CheckPurged(life, [this](const std::string& mark, const std::string& what) { Found(mark, what); });
    ++counters_.purged;
  }
  life.RunFor(OneIn(2) ? 150ms : 2ms);
  const std::string everything = Everything(life.machine());
  const uint64_t percent = OneIn(2) ? 0 : 50;
  const std::shared_ptr<MemoryDisk> after = disk->AfterCrash([&](const UnsyncedPiece&) { return Draw(100) < percent; });
  ++counters_.second_crashes_later;
  Life again(after, NextLife(), LifeEvents{.on_violation = [this](const std::string& mark, const std::string& what) {
               Found(mark, what);
             }});
  absl::Status status = again.Open();
  if (status.ok()) status = again.Start();
  if (!status.ok()) return Found("start", "after the second crash: " + status.ToString());
  if (Everything(again.machine()) != everything) Found("second", "another state than before the second crash");
}

// Crashes in the middle of a recovery. What an opened log holds is durable.
void Episode::CrashAgain(const MemoryDisk& disk, const Promised& promised) {
  const std::shared_ptr<MemoryDisk> copy = disk.AfterCrash(All);
  Promised then = promised;
  LifeEvents events;
  events.on_violation = [this](const std::string& mark, const std::string& what) { Found(mark, what); };
  events.on_call = [&](const Activity&) {
    if (Stopped() || !OneIn(6)) return;
    const std::shared_ptr<MemoryDisk> second = copy->AfterCrash([&](const UnsyncedPiece&) { return OneIn(2); });
    ++counters_.states;
    if (!hashes_.insert(second->Hash()).second) return;
    Count(activity_);
    ++counters_.second_crashes;
    Recover(second, then, false);
  };
  Life life(copy, NextLife(), std::move(events));
  if (const absl::Status opened = life.Open(); !opened.ok()) return Found("start", opened.ToString());
  then.index = CheckLog(life, history_, promised, [](const std::string&, const std::string&) {});
  then.log_names_lost = false;
  then.resumed = true;
  if (const absl::Status started = life.Start(); !started.ok()) return Found("start", started.ToString());
  life.RunFor(OneIn(2) ? 100ms : 2ms);
}

// The process alone dies, and what it had written is read back from the system's memory; then the power fails.
void Episode::KillThenCrash() {
  if (Stopped()) return;
  const Promised promised = PromisedNow();
  const Report report = [this](const std::string& mark, const std::string& what) { Found(mark, what); };
  const std::shared_ptr<MemoryDisk> killed = disk_->AfterKill();
  Life life(killed, NextLife(), LifeEvents{.on_violation = report});
  if (const absl::Status opened = life.Open(); !opened.ok())
    return Found("start", "after a kill: " + opened.ToString());
  Promised then = promised;
  then.index = CheckLog(life, history_, promised, report);
  ++counters_.kills;
  if (OneIn(2)) {
    if (const absl::Status started = life.Start(); !started.ok()) return Found("start", started.ToString());
    CheckState(life.machine(), history_, then.index, Moment::kReplayed, random_, report);
  }
  const uint64_t percent = OneIn(2) ? 0 : 50;
  const std::shared_ptr<MemoryDisk> after =
      killed->AfterCrash([&](const UnsyncedPiece&) { return Draw(100) < percent; });
  Life again(after, NextLife(), LifeEvents{.on_violation = report});
  absl::Status status = again.Open();
  if (!status.ok()) return Found("kill", status.ToString());
  const uint64_t index =
      CheckLog(again, history_, then, [this](const std::string&, const std::string& what) { Found("kill", what); });
  status = again.Start();
  if (!status.ok()) return Found("kill", status.ToString());
  CheckState(again.machine(), history_, index, Moment::kReplayed, random_, report);
}

}  // namespace regent::crashpoints
