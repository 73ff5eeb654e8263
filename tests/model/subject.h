// The store under test with what a node has around it: a log of committed entries that survives a crash, and a disk
// that forgets what was not flushed. A crash throws the state machine away, takes the engine back to its durable state
// and applies the entries behind it again, in turns cut differently; every answer and event must come out as the first
// time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/state_machine.h"
#include "tests/model/engines.h"
#include "tests/model/mutants.h"
#include "tests/model/random.h"

namespace regent::model {

// Deterministic, so that a replay asks for the same previous values.
bool WantsPrevious(std::string_view key);

class Subject {
 public:
  struct Options {
    storage::StateMachineOptions machine;
    Mutant mutant = Mutant::kNone;
    uint64_t seed = 0;
  };

  Subject(std::unique_ptr<Disk> disk, Options options);

  // Index and term are filled in here.
  storage::ApplyOutcome Apply(std::vector<raft::Entry> entries);
  // The newest configuration entry that was applied.
  const std::optional<raft::Entry>& configuration() const { return configuration_; }
  void NewTerm() { ++term_; }
  uint64_t term() const { return term_; }

  storage::StateMachine& machine() { return *machine_; }
  void Flush();
  // "" or what came out differently. No View may be held.
  [[nodiscard]] std::string CrashAndReplay();

  // One slice of the purge, possibly planned some turns ago. False: nothing is left to purge.
  bool Purge(size_t events_max);
  // The weight, by the store's rule, of all version rows that the engine holds.
  int64_t VersionRowsWeight() const;

  uint64_t replayed() const { return replayed_; }
  uint64_t crashes_inside_an_entry() const { return crashes_inside_an_entry_; }

 private:
  void Open(Start start);
  static bool HasAnswer(const raft::Entry& entry);
  void Remember(std::span<const raft::Entry> turn, const storage::ApplyOutcome& outcome);
  std::string CheckReplay(std::span<const raft::Entry> turn, const storage::ApplyOutcome& outcome) const;
  void ForgetDurable();
  bool RowsAbove(int64_t revision) const;

  std::unique_ptr<Disk> disk_;
  Options options_;
  Random random_;
  std::shared_ptr<storage::Engine> engine_;
  std::unique_ptr<storage::StateMachine> machine_;
  std::optional<storage::PurgePlan> plan_;

  uint64_t term_ = 1;
  std::optional<raft::Entry> configuration_;
  std::deque<raft::Entry> log_;                      // above the durable applied index
  std::map<uint64_t, uint64_t> answers_;             // fingerprint by index
  std::map<uint64_t, uint64_t> digests_;             // by index, where a turn ended
  std::map<int64_t, std::vector<uint64_t>> events_;  // fingerprints by revision
  std::map<uint64_t, int64_t> revisions_;            // by index, where a turn ended
  uint64_t replayed_ = 0;
  uint64_t crashes_inside_an_entry_ = 0;
};

}  // namespace regent::model
