// One random life of a store: turns of entries, reads, catch-up reads, purges, flushes and crashes from a seed, each
// answer compared with the model's.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "tests/model/coverage.h"
#include "tests/model/generator.h"
#include "tests/model/model.h"
#include "tests/model/random.h"
#include "tests/model/subject.h"

namespace regent::model {

enum class EngineKind : uint8_t { kMemory, kRocks };

struct EpisodeOptions {
  uint64_t seed = 0;
  uint64_t operations = 0;
  EngineKind engine = EngineKind::kMemory;
  Mutant mutant = Mutant::kNone;
};

class Episode {
 public:
  Episode(EpisodeOptions options, Coverage& coverage);

  // "" or the first difference; then `trace` is what led to it, newest last.
  std::string Run();
  std::string Trace() const;

 private:
  void Fill();
  void Step();
  void ApplyTurn();
  raft::Entry MakeEntry(std::vector<api::WriteRequest>* requests, std::vector<absl::StatusOr<WriteAnswer>>* expected);
  void CompareTurn(const storage::ApplyOutcome& outcome, const std::vector<api::WriteRequest>& requests,
                   const std::vector<absl::StatusOr<WriteAnswer>>& expected, int64_t revision_before);
  void ComparePosted(const storage::ApplyOutcome& outcome, int64_t revision_before);
  void CompareLeaseChanges(const storage::ApplyOutcome& outcome);
  void CompareState();
  void CompareLeases();
  void CompareEverything();

  void Read();
  void ReadRange(const storage::View& view, const api::RangeRequest& request);
  void ReadEvents(const storage::View& view, const std::string& key, const std::string& range_end, int64_t from,
                  bool previous);
  void Purge();
  void Restart();

  void CountRequest(const api::WriteRequest& request, const absl::StatusOr<WriteAnswer>& answer);
  void CountTxn(const api::TxnRequest& txn, int depth);
  void CountRange(const api::RangeRequest& request, const absl::StatusOr<RangeAnswer>& answer, int64_t current);
  void CountError(const absl::Status& status);

  void Note(std::string line);
  // Remembers the first difference. "" is none.
  void Check(const std::string& what, const std::string& difference);
  void CheckEqual(const std::string& what, int64_t expected, int64_t actual);

  EpisodeOptions options_;
  Coverage& coverage_;
  Random random_;
  storage::StateMachineOptions machine_options_;
  Model model_;
  Generator generator_;
  Subject subject_;
  std::vector<std::shared_ptr<const storage::View>> views_;  // older states, still readable
  uint64_t operations_ = 0;
  bool over_quota_ = false;  // in the turn that is being made
  std::deque<std::string> trace_;
  std::string failure_;
};

}  // namespace regent::model
