// The log as the core sees it: the newest entries in memory, and the terms of those that only the disk holds.
//
//   base ........ first_in_memory ........ last
//   released      on disk only,            entries_
//   elsewhere     terms known or not
//
// Terms are kept as runs, a few per log. They are known from `known_from` on; below it every entry is committed, so
// nobody needs them to compare logs (a leader that must send such an entry reads its term with the entry).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "raft/types.h"

namespace regent::raft {

class Log {
 public:
  // `terms` and `tail` as in CoreStart.
  Log(Index base, Term base_term, Index last, Term last_term, const std::vector<TermRun>& terms,
      std::vector<Entry> tail);

  Index base_index() const { return base_; }
  Index last_index() const { return last_; }
  Term last_term() const;
  Index first_in_memory() const { return Index{last_.value + 1 - entries_.size()}; }  // last + 1: none
  Index known_from() const { return runs_.empty() ? Index{last_.value + 1} : runs_.front().first; }
  uint64_t memory_bytes() const { return bytes_; }

  // nullopt: not known, or outside of [base, last].
  std::optional<Term> TermAt(Index index) const;

  // REQUIRES: first_in_memory() <= index <= last_index().
  const Entry& At(Index index) const { return entries_[index.value - first_in_memory().value]; }

  // The largest index in [floor, at] whose entry has at most `term`; stops early at an unknown one.
  Index LastNotAbove(Index at, Term term, Index floor) const;

  // REQUIRES: entry.index == last + 1, entry.term >= last_term().
  void Append(Entry entry);

  // Nothing but a base: a snapshot was installed.
  void Reset(Index base, Term base_term) { *this = Log(base, base_term, base, base_term, {}, {}); }

  // Drops the entries from `first` on. REQUIRES: their terms are known.
  void TruncateFrom(Index first);

  // Entries [from, through] in memory until their data reach bytes_max; at least one.
  std::vector<Entry> Slice(Index from, Index through, uint64_t bytes_max) const;

  // Drops the oldest entries from memory, none above `through`, while more than bytes_max are held.
  void Trim(Index through, uint64_t bytes_max);

 private:
  Index base_;
  Term base_term_;
  Index last_;
  std::deque<Entry> entries_;
  std::vector<TermRun> runs_;
  uint64_t bytes_ = 0;  // data of entries_
};

}  // namespace regent::raft
