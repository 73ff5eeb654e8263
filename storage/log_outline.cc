#include "storage/log_outline.h"

#include <algorithm>

namespace regent::storage {

void LogOutline::SetBase() {
  terms_.clear();
  configurations_.clear();
}

void LogOutline::AddEntry(raft::Index index, raft::Term term, raft::EntryType type) {
  while (!terms_.empty() && terms_.back().first >= index) terms_.pop_back();
  while (!configurations_.empty() && configurations_.back() >= index) configurations_.pop_back();
  if (terms_.empty() || terms_.back().term != term) terms_.push_back({index, term});
  if (type == raft::EntryType::kConfiguration) configurations_.push_back(index);
}

void LogOutline::StartBehind(raft::Index base) {
  std::erase_if(configurations_, [&](raft::Index index) { return index <= base; });
  // The run that holds the first entry may begin before it.
  const raft::Index first{base.value + 1};
  while (terms_.size() > 1 && terms_[1].first <= first) terms_.erase(terms_.begin());
  if (!terms_.empty()) terms_.front().first = std::max(terms_.front().first, first);
}

}  // namespace regent::storage
