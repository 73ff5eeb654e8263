#include "raft/apply.h"

#include <algorithm>
#include <utility>

#include "raft/check.h"

namespace regent::raft {

void ApplyQueue::TakeInto(Output& output, const Log& log, Index limit, Term term, uint64_t bytes_max) {
  if (!fetched_.empty()) HandOut(output, std::exchange(fetched_, {}));
  if (fetch_ || handed_ >= limit || (bytes_out_ >= bytes_max && !out_.empty())) return;
  const Index next{handed_.value + 1};
  const uint64_t room = bytes_max - std::min(bytes_max, bytes_out_);
  if (next >= log.first_in_memory()) {
    HandOut(output, log.Slice(next, limit, room));
    return;
  }
  const Index on_disk{log.first_in_memory().value - 1};
  fetch_ = LogFetch{.purpose = LogFetch::Purpose::kApply,
                    .term = term,
                    .from = next,
                    .through = std::min(limit, on_disk),
                    .bytes_max = room};
  output.fetch.push_back(*fetch_);
}

void ApplyQueue::HandOut(Output& output, std::vector<Entry> entries) {
  uint64_t bytes = 0;
  for (const Entry& entry : entries) {
    handed_.value++;
    RAFT_CHECK(entry.index == handed_, entry.index.value, handed_.value);
    bytes += entry.data.size();
  }
  out_.push_back({.through = handed_, .bytes = bytes});
  bytes_out_ += bytes;
  if (output.apply.empty()) {
    output.apply = std::move(entries);
  } else {
    output.apply.insert(output.apply.end(), std::make_move_iterator(entries.begin()),
                        std::make_move_iterator(entries.end()));
  }
}

void ApplyQueue::Applied(Index through) {
  RAFT_CHECK(applied_ <= through && through <= handed_, applied_.value, through.value, handed_.value);
  applied_ = through;
  while (!out_.empty() && out_.front().through <= through) {
    bytes_out_ -= out_.front().bytes;
    out_.pop_front();
  }
}

void ApplyQueue::Fetched(const LogFetch& fetch, std::vector<Entry> entries) {
  RAFT_CHECK(fetch_ && *fetch_ == fetch, fetch.from.value, fetch.through.value);
  RAFT_CHECK(!entries.empty() && entries.front().index == fetch.from, entries.size(), fetch.from.value);
  while (entries.back().index > fetch.through) entries.pop_back();
  fetch_.reset();
  fetched_ = std::move(entries);
}

void ApplyQueue::Reset(Index applied) { *this = ApplyQueue(applied); }

}  // namespace regent::raft
