// Planted bugs. Each wraps the real state machine and spoils one thing that has once been a bug of a store like this
// one; the model test must find every one of them, or it proves nothing.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/state_machine.h"

namespace regent::model {

enum class Mutant : uint8_t {
  kNone,
  kDroppedEvent,        // a catch-up read leaves one event out
  kCountAtOldRevision,  // one too many, at revisions of the past alone
  kWrongPrevious,       // an event shows the new version as the previous one
  kWriteLostAtRestart,  // the replay after a crash forgets a write
  kLeaseForgetsKey,     // a lease with several keys loses sight of one
  kPurgeTakesLiveRow,   // the purge deletes a version that is still visible
  kSizeKeepsDeadBytes,  // the logical size does not go down with a compaction
  kMoreAtExactLimit,    // `more` although the limit was just enough
  kAlarmLostAtRestart,  // after a crash nobody knows of the alarm
  kQuotaIgnored,        // a write that does not fit is answered as if it did
  kExpiryDropsLease,    // the last lease of an expiry is passed over
  kNegativeLeaseId,     // a lease with a negative id gets another one in the replay
  kTombstoneCompacted,  // the delete at the compacted revision is lost with the compaction
  kStaleReadBuffer,     // after a put and a delete of one key in a transaction, reads see the state before it
  kRangesSkipped,       // in the replay, when nobody waits, transactions do without their ranges
};

struct MutantName {
  Mutant mutant;
  std::string_view name;
};
const std::vector<MutantName>& AllMutants();  // without kNone
std::optional<Mutant> FindMutant(std::string_view name);

enum class Start : uint8_t { kFresh, kAfterCrash };

// `machine` itself for kNone. `engine` is the one under it.
std::unique_ptr<storage::StateMachine> Spoil(std::unique_ptr<storage::StateMachine> machine,
                                             std::shared_ptr<storage::Engine> engine, Mutant mutant, Start start);

}  // namespace regent::model
