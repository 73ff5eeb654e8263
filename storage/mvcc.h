// The write path: turns the operations of entries into rows of a batch, and keeps everything that is counted in step.
//
//   BeginTurn ( BeginEntry ( Put | Delete | reads | EndRevision )* EndEntry )* EndTurn
//
// An entry that changes keys does so at revision() + 1, its operations ordered by sub; only an expiry of leases takes
// several revisions. One batch holds a whole turn:
// the rows of its entries, then the counters with the applied index. A large entry is the exception:
//
//   1. Before it starts, what earlier entries of the turn changed is completed (their counters are added to the batch).
//   2. When the batch is full, it is written: complete earlier entries, and version and event rows of this one.
//   3. Key counts, lease links, counters and the applied index of the entry come with its last batch.
//   A crash in between leaves rows above the revision that the counters name. No read sees them, and the replay of the
//   entry writes the same rows again.
//
// Owner: the apply loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "storage/counters.h"
#include "storage/event_row.h"
#include "storage/events.h"
#include "storage/head_cache.h"
#include "storage/key_counts.h"
#include "storage/leases.h"
#include "storage/ranges.h"
#include "storage/row_source.h"
#include "storage/state_machine.h"

namespace regent::storage {

// What an entry may grow to.
enum class EntrySize : uint8_t { kBounded, kUnknown };

class Mvcc {
 public:
  Mvcc(Engine& engine, const StateMachineOptions& options);

  void BeginTurn(const WantsPrevious& wants_previous);
  // `bytes_about`: of the rows that a bounded entry will write.
  void BeginEntry(EntrySize size, size_t bytes_about);
  void Put(std::string_view key, std::string_view value, int64_t lease);
  // REQUIRES: the key is live, and `head` is its newest version.
  void Delete(std::string_view key, const Head& head);
  // What follows in the entry is done at a revision of its own, if anything was changed so far.
  void EndRevision();
  void EndEntry(uint64_t index, uint64_t term);
  // Writes the batch. The events of the turn; null when there were none.
  std::shared_ptr<const EventBatch> EndTurn();

  // ---- reads, of everything done so far ---------------------------------------------------------------------------

  // The newest version of `key`. Valid until the next FindHead, Put or Delete.
  const Head& FindHead(std::string_view key) { return HeadFor(key); }
  // The whole stored value of a live head.
  std::string RestOf(std::string_view key, const Head& head);
  // Calls `visit` for the keys that are live in [key, range_end) now, ascending; a key that `visit` deletes or puts
  // does not change what follows. `visit` answers whether to go on.
  using Visit = absl::FunctionRef<bool(std::string_view key, const Head& head)>;
  void VisitRange(std::string_view key, std::string_view range_end, Visit visit);
  absl::StatusOr<api::RangeResult> Range(const api::RangeRequest& request);

  // Something was changed at the running revision.
  bool changed() const { return next_.sub > 0; }
  // What a header says at this point: the revision of the entry as soon as it changed something.
  int64_t visible_revision() const { return changed() ? next_.revision : counters_.revision; }
  // The revision before the entry.
  int64_t revision() const { return counters_.revision; }

  Counters& counters() { return counters_; }
  const Counters& counters() const { return counters_; }
  Leases& leases() { return leases_; }
  const Leases& leases() const { return leases_; }
  KeyCounts& counts() { return counts_; }
  Batch& batch() { return batch_; }
  // The engine's rows and those of the turn.
  RowSource rows();
  Position newest() const { return Before(next_); }
  void Digest(uint64_t kind, std::string_view bytes, uint64_t number);

 private:
  Head& HeadFor(std::string_view key);
  void Record(EventKind kind, std::string_view key, const Head& before, std::string_view rest);
  void PostEvent(EventKind kind, std::string_view key, const Head& before, std::string_view rest);
  std::optional<std::string> PreviousRest(std::string_view key, const Head& before);
  void CompleteEntries();
  void WriteBatch();
  void WriteBatchIfFull();

  Engine& engine_;
  const StateMachineOptions options_;
  Counters counters_;
  Leases leases_;
  KeyCounts counts_;
  HeadCache heads_;
  Batch batch_;
  std::unique_ptr<RowIterator> written_rows_;  // as of the last write; null: not needed since
  Overlay overlay_;
  Position next_{2, 0};              // of the next operation
  bool may_write_in_entry_ = false;  // the batch holds nothing incomplete but this entry's version and event rows
  bool incomplete_ = false;          // entries ended since CompleteEntries
  const WantsPrevious* wants_previous_ = nullptr;
  std::shared_ptr<EventBatch> events_;
};

}  // namespace regent::storage
