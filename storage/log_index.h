// Which entries of the log are live and where their records lie. The same rules serve recovery, which reads records in
// the order they were written, and appending, which writes them in that order:
//   * a record of index i discards every earlier record of index i or above, whatever its term;
//   * an index more than one above the last is corruption;
//   * a base record discards everything before it.
//
// Without a base record, and when the log does not begin with its oldest segment, the first live record is the base:
// the entry before the first one that is served.
//
// 16 bytes for an entry.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "absl/status/status.h"
#include "storage/log_format.h"

namespace regent::storage {

class LogIndex {
 public:
  struct Place {
    uint32_t sequence = 0;  // of the segment
    uint32_t payload_bytes = 0;
    uint64_t offset = 0;  // of the record
  };

  // The log begins with this segment: nothing comes before index 1.
  void BeginAtFirstEntry(uint64_t sequence) { SetBase(0, 0, sequence); }

  // A base record in this segment.
  void SetBase(uint64_t index, uint64_t term, uint64_t sequence);

  // DataLoss (the words only) when the record cannot follow those before it.
  absl::Status AddEntry(uint64_t index, uint64_t term, Place place);

  // Every record was added: the first live one becomes the base if there is none yet. DataLoss when there is nothing.
  absl::Status Complete();

  // The entries up to `index` are no longer served; `index` is live.
  void MoveBase(uint64_t index);

  // The smallest live index whose record lies in a segment after this one.
  std::optional<uint64_t> FirstIndexBehind(uint64_t sequence) const;

  const Place& At(uint64_t index) const;

  uint64_t base_index() const { return base_index_; }
  uint64_t base_term() const { return base_term_; }          // as of Complete or SetBase
  uint64_t base_sequence() const { return base_sequence_; }  // the segment that says what the base is
  uint64_t last_index() const { return base_known_ ? base_index_ + places_.size() : first_index_ + places_.size() - 1; }
  uint64_t last_term() const { return last_term_; }

 private:
  uint64_t first_index() const { return base_known_ ? base_index_ + 1 : first_index_; }

  std::deque<Place> places_;  // of first_index(), …
  bool base_known_ = false;
  uint64_t base_index_ = 0;
  uint64_t base_term_ = 0;
  uint64_t base_sequence_ = 0;
  uint64_t first_index_ = 1;  // while no base is known
  uint64_t first_term_ = 0;
  uint64_t last_term_ = 0;
};

}  // namespace regent::storage
