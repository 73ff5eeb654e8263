// Planted bugs: each is one that a store like this one has had. The enumeration must find every one of them, by a check
// that carries the number that it stands for (RK-nn, a regression; or the check's name).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "storage/engine.h"
#include "storage/log_store.h"
#include "tests/support/rocks_disk.h"

namespace regent::crashpoints {

enum class Mutant : uint8_t {
  kNone,
  kAcknowledgeBeforePersisted,
  kLogUnsynced,
  kRollUnsynced,
  kOpenUnsynced,
  kReleaseUnflushedLog,
  kTablesUnsynced,
  kManifestUnsynced,
  kStoreFolderUnsynced,
  kAppliedBeforeData,
  kAppliedBehindData,
  kRefusedNotCounted,
  kPurgeBeforeCompaction,
  kRevisionFromRows,
  kPurgeTakesDeletes,
  kBatchTorn,
  kAnswerOneAhead,
};

struct MutantFacts {
  Mutant mutant = Mutant::kNone;
  std::string_view name;
  std::string_view found_by;  // the mark of the check that must find it; empty: any
};
const std::vector<MutantFacts>& AllMutants();  // without kNone
std::optional<Mutant> FindMutant(std::string_view name);

storage::LogMutant LogMutantOf(Mutant mutant);
testing::DroppedSyncs DroppedSyncsOf(Mutant mutant);

// `engine` itself when the mutant is none of the store's. `chance`: true once in so many times.
std::shared_ptr<storage::Engine> Spoil(std::shared_ptr<storage::Engine> engine, Mutant mutant,
                                       std::function<bool(uint64_t)> chance);

}  // namespace regent::crashpoints
