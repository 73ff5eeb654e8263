// Every crash of a recorded life: after each call to the disk, what was not synced is lost in many ways; the node is
// opened on what is left, checked against the history, and goes on. It crashes again in the middle of that, and
// afterwards. Crashes inside a flush or a purge are drawn more densely than the rest.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "tests/crashpoints/checks.h"
#include "tests/crashpoints/history.h"
#include "tests/crashpoints/life.h"
#include "tests/crashpoints/workload.h"

namespace regent::crashpoints {

struct Counters {
  uint64_t states = 0;    // drawn
  uint64_t distinct = 0;  // recovered from: by the hash of the whole disk
  uint64_t flush_or_purge = 0, flush = 0, purge = 0, compaction = 0, roll = 0, release = 0, chunk = 0, quiet = 0;
  uint64_t before_first_start = 0;  // the folder was not complete yet
  uint64_t second_crashes = 0, second_crashes_later = 0, kills = 0, options_files = 0;
  uint64_t replayed_entries = 0, in_flight_found = 0, torn_tails = 0, went_on = 0, purged = 0;
  uint64_t recorded_calls = 0, recorded_entries = 0, episodes = 0;
  WorkloadCounters work;
};
// Every counter by name.
std::vector<std::pair<const char*, uint64_t*>> Fields(Counters& counters);

struct Findings {
  std::map<std::string, std::pair<uint64_t, std::string>> by_mark;  // how often, and the first in words
  bool Has(std::string_view mark) const { return by_mark.contains(std::string(mark)); }
};

struct EpisodeOptions {
  uint64_t seed = 1;
  uint64_t operations = 60;
  Mutant mutant = Mutant::kNone;
  std::string stop_at;                 // the mark of a finding that ends the episode; empty: any
  std::function<void()> on_stop;       // at once when there is a finding of that mark: a CHECK may come next
  uint64_t distinct_max = UINT64_MAX;  // of all episodes together
};

class Episode {
 public:
  Episode(EpisodeOptions options, std::unordered_set<uint64_t>& hashes, Counters& counters, Findings& findings);
  void Run();

 private:
  using Survives = std::function<bool(const testing::UnsyncedPiece&)>;

  bool Stopped() const;
  void OnCall(const Activity& activity);
  void LearnFirstEntry();
  void OnAppend(std::span<const raft::Entry> entries);
  void RunLife();
  void Crash(const Survives& survives);
  void KillThenCrash();
  void Count(const Activity& activity);
  void Recover(std::shared_ptr<testing::MemoryDisk> disk, const Promised& promised, bool first);
  void CrashAgain(const testing::MemoryDisk& disk, const Promised& promised);
  void GoOn(Life& life, const std::shared_ptr<testing::MemoryDisk>& disk, uint64_t index);
  Promised PromisedNow() const;
  LifeOptions NextLife();
  void Found(const std::string& mark, const std::string& what);
  uint64_t Draw(uint64_t below) { return random_() % below; }
  bool OneIn(uint64_t n) { return Draw(n) == 0; }

  const EpisodeOptions options_;
  std::unordered_set<uint64_t>& hashes_;
  Counters& counters_;
  Findings& findings_;
  std::mt19937_64 random_;
  History history_;
  std::shared_ptr<testing::MemoryDisk> disk_;
  std::unique_ptr<Life> life_;
  std::unique_ptr<Workload> workload_;
  Activity activity_;  // at the crash that is being examined
  Promised resumed_;   // what an earlier recorded life had promised
  uint64_t calls_ = 0;
};

}  // namespace regent::crashpoints
