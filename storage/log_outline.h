// What Raft wants to know about a log's entries without reading them again: their terms, as runs, and which of them
// hold a configuration. Collected while the log is recovered, by the rules of log_index.h.
#pragma once

#include <vector>

#include "raft/types.h"

namespace regent::storage {

class LogOutline {
 public:
  void SetBase();  // nothing before counts
  void AddEntry(raft::Index index, raft::Term term, raft::EntryType type);
  // The entries up to `base` are not served.
  void StartBehind(raft::Index base);

  const std::vector<raft::TermRun>& terms() const { return terms_; }                  // ascending
  const std::vector<raft::Index>& configurations() const { return configurations_; }  // ascending

 private:
  std::vector<raft::TermRun> terms_;
  std::vector<raft::Index> configurations_;
};

}  // namespace regent::storage
