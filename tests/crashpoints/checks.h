// What must hold of a node that was opened after a crash. Each finding carries a mark: the number of the regression
// (RK-nn) that the check stands for, or a word. The marks of a whole run are printed; each has a mutant that it finds.
//
//   start   the log, the store and the node open and become ready: a crash never looks like corruption
//   answer  what clients were told is what the log says
//   RK-01   the store as it is found, before anything is replayed, is the state at its applied index
//   RK-68   the same: its batches are a prefix of those that were written, without a hole; its files are whole
//   RK-02   the log holds every entry that was acknowledged, with its content, and the term
//   RK-63   the same, when the crash lost names in the log's folder
//   RK-03   after the replay the state is that of a run that never crashed: nothing is applied twice or passed over
//   RK-04   what is refused moves the applied index as well (checked at every flush, see life.cc)
//   RK-09   the current revision does not go back and none is skipped
//   RK-11   the events from the compacted revision on are all there
//   write   it goes on: the next write has the next revision
//   kill    what was read after a kill is still there after a loss of power
//   second  after a second crash nothing of that is lost
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>

#include "tests/crashpoints/history.h"
#include "tests/crashpoints/life.h"

namespace regent::crashpoints {

using Report = std::function<void(const std::string& mark, const std::string& what)>;

// What was promised before the crash.
struct Promised {
  uint64_t index = 0;    // the log reaches this far
  uint64_t term = 0;     // and knows this term
  int64_t revision = 1;  // clients have seen it
  bool log_names_lost = false;
  bool resumed = false;  // a later life has written behind `index`, without content
};

// The log that `life` has opened holds the entries of the history up to some index, which is returned, and behind them
// at most what later lives began with: entries without content.
uint64_t CheckLog(Life& life, const History& history, const Promised& promised, const Report& report);

enum class Moment : uint8_t { kFound, kReplayed };

// The state machine is in the state that the history has at `index`: its counters, leases and alarms, and what it
// answers, at old revisions too.
void CheckState(const storage::StateMachine& machine, const History& history, uint64_t index, Moment moment,
                std::mt19937_64& random, const Report& report);

// Runs until everything is purged: then the rows weigh what the counters say.
void CheckPurged(Life& life, const Report& report);

// Everything that clients can read now, in one string.
std::string Everything(const storage::StateMachine& machine);

}  // namespace regent::crashpoints
