#include "raft/log.h"

#include <algorithm>
#include <utility>

#include "raft/check.h"

namespace regent::raft {
namespace {

// A log sees one run per election. This many are kept; older ones are forgotten like other unknown terms.
constexpr size_t kRunsMax = 1024;

}  // namespace

Log::Log(Index base, Term base_term, Index last, Term last_term, const std::vector<TermRun>& terms,
         std::vector<Entry> tail)
    : base_(base), base_term_(base_term), last_(last) {
  RAFT_CHECK(base <= last, base.value, last.value);
  const Index tail_first{last.value + 1 - tail.size()};
  RAFT_CHECK(tail.size() <= last.value - base.value, tail.size(), last.value, base.value);
  for (TermRun run : terms) {
    run.first = std::max(run.first, Index{base.value + 1});
    if (run.first >= tail_first) break;
    if (!runs_.empty() && runs_.back().first == run.first) runs_.pop_back();  // both began at or below the base
    RAFT_CHECK(runs_.empty() || (runs_.back().first < run.first && runs_.back().term <= run.term), run.first.value,
               run.term.value);
    runs_.push_back(run);
  }
  for (Entry& entry : tail) {
    RAFT_CHECK(entry.index == Index{tail_first.value + entries_.size()}, entry.index.value, tail_first.value);
    if (runs_.empty() || runs_.back().term != entry.term) runs_.push_back({entry.index, entry.term});
    bytes_ += entry.data.size();
    entries_.push_back(std::move(entry));
  }
  if (runs_.empty() && last > base) runs_.push_back({last, last_term});
  RAFT_CHECK(this->last_term() == last_term, this->last_term().value, last_term.value, last.value);
}

Term Log::last_term() const { return last_ == base_ ? base_term_ : runs_.empty() ? Term{} : runs_.back().term; }

std::optional<Term> Log::TermAt(Index index) const {
  if (index == base_) return base_term_;
  if (index < known_from() || index > last_) return std::nullopt;
  // Nearly every question is about the newest run.
  if (index >= runs_.back().first) return runs_.back().term;
  const auto after = std::upper_bound(runs_.begin(), runs_.end(), index,
                                      [](Index wanted, const TermRun& run) { return wanted < run.first; });
  return std::prev(after)->term;
}

Index Log::LastNotAbove(Index at, Term term, Index floor) const {
  RAFT_CHECK(floor <= at && at <= last_, floor.value, at.value, last_.value);
  // From run to run, not from entry to entry.
  while (at > floor) {
    const std::optional<Term> here = TermAt(at);
    if (!here || *here <= term) break;
    if (at == base_) return std::max(floor, Index{at.value - 1});  // what lies below is not known
    const auto after = std::upper_bound(runs_.begin(), runs_.end(), at,
                                        [](Index wanted, const TermRun& run) { return wanted < run.first; });
    at = std::max(floor, Index{std::prev(after)->first.value - 1});
  }
  return at;
}

void Log::Append(Entry entry) {
  RAFT_CHECK(entry.index.value == last_.value + 1, entry.index.value, last_.value);
  if (runs_.empty() || runs_.back().term != entry.term) {
    RAFT_CHECK(entry.term >= last_term(), entry.term.value, last_term().value, entry.index.value);
    runs_.push_back({entry.index, entry.term});
  }
  last_ = entry.index;
  bytes_ += entry.data.size();
  entries_.push_back(std::move(entry));
}

void Log::TruncateFrom(Index first) {
  RAFT_CHECK(first > base_ && first <= last_ && first >= known_from(), first.value, base_.value, last_.value,
             known_from().value);
  while (!entries_.empty() && entries_.back().index >= first) {
    bytes_ -= entries_.back().data.size();
    entries_.pop_back();
  }
  last_ = Index{first.value - 1};
  while (!runs_.empty() && runs_.back().first > last_) runs_.pop_back();
}

std::vector<Entry> Log::Slice(Index from, Index through, uint64_t bytes_max) const {
  RAFT_CHECK(first_in_memory() <= from && from <= through && through <= last_, first_in_memory().value, from.value,
             through.value, last_.value);
  const auto begin = entries_.begin() + static_cast<ptrdiff_t>(from.value - first_in_memory().value);
  auto end = begin;
  const auto limit = begin + static_cast<ptrdiff_t>(through.value - from.value + 1);
  for (uint64_t bytes = 0; end != limit; ++end) {
    bytes += end->data.size();
    if (end != begin && bytes > bytes_max) break;
  }
  return std::vector<Entry>(begin, end);
}

void Log::Trim(Index through, uint64_t bytes_max) {
  while (bytes_ > bytes_max && !entries_.empty() && entries_.front().index <= through) {
    bytes_ -= entries_.front().data.size();
    entries_.pop_front();
  }
  // Only runs that end at or below `through` may be forgotten: above it terms are compared.
  while (runs_.size() > kRunsMax && runs_[1].first <= through && runs_[1].first <= first_in_memory()) {
    runs_.erase(runs_.begin());
  }
}

}  // namespace regent::raft
