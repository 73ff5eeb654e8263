#include "storage/log_index.h"

#include <algorithm>
#include <string>

#include "glog/logging.h"

namespace regent::storage {

void LogIndex::SetBase(uint64_t index, uint64_t term, uint64_t sequence) {
  places_.clear();
  base_known_ = true;
  base_index_ = index;
  base_term_ = term;
  base_sequence_ = sequence;
  last_term_ = term;
}

absl::Status LogIndex::AddEntry(uint64_t index, uint64_t term, Place place) {
  if (index == 0) return absl::DataLossError("an entry of index 0");
  if (!base_known_ && (places_.empty() || index < first_index_)) {
    places_.clear();
    first_index_ = index;
    first_term_ = term;
  }
  const uint64_t first = first_index();
  const uint64_t next = first + places_.size();
  if (index < first || index > next) {
    return absl::DataLossError("an entry of index " + std::to_string(index) + " where " + std::to_string(first) +
                               " to " + std::to_string(next) + " could follow");
  }
  places_.resize(index - first);
  places_.push_back(place);
  if (index == first) first_term_ = term;
  last_term_ = term;
  return absl::OkStatus();
}

absl::Status LogIndex::Complete() {
  if (base_known_) return absl::OkStatus();
  if (places_.empty()) return absl::DataLossError("no entry in a log whose beginning was released");
  base_known_ = true;
  base_index_ = first_index_;
  base_term_ = first_term_;
  base_sequence_ = places_.front().sequence;
  places_.pop_front();
  return absl::OkStatus();
}

void LogIndex::MoveBase(uint64_t index) {
  CHECK(base_known_);
  CHECK_GT(index, base_index_);
  CHECK_LE(index, last_index());
  base_sequence_ = At(index).sequence;
  places_.erase(places_.begin(), places_.begin() + static_cast<std::ptrdiff_t>(index - base_index_));
  base_index_ = index;
}

std::optional<uint64_t> LogIndex::FirstIndexBehind(uint64_t sequence) const {
  // Records of higher indexes were written later: the sequences ascend.
  const auto found = std::partition_point(places_.begin(), places_.end(),
                                          [&](const Place& place) { return place.sequence <= sequence; });
  if (found == places_.end()) return std::nullopt;
  return first_index() + static_cast<uint64_t>(found - places_.begin());
}

const LogIndex::Place& LogIndex::At(uint64_t index) const {
  CHECK_GE(index, first_index());
  CHECK_LE(index, last_index());
  return places_[index - first_index()];
}

}  // namespace regent::storage
