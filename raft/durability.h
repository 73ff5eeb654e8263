// What is durable, what is on its way to the disk, and the messages that wait for it.
//
// At most one step is out. Term, vote and entries that change meanwhile gather here and in the log; the next step takes
// them all: that is group commit.
//
// Why a completed step may not be believed blindly (ABA), as a story:
//   1. A follower appends 5 of term 2; step 1 carries it to the disk.
//   2. The leader of term 3 overwrites it in memory: 5 has term 3 now and waits for step 2.
//   3. Step 1 completes. The disk holds 5 of term 2, so calling index 5 durable would acknowledge an entry of term 3
//      that a crash still loses.
// So the step remembers index and term of its last entry. If the log still has that term there, the whole step is in
// the log (log matching); otherwise only what lies below the lowest overwritten index is.
//
// A step may also be the installation of a snapshot. From the moment it is wanted nothing is appended, so the entries
// that are not durable by then never will be, and what waits for them is dropped, as a network might.
//
// Waiting messages belong to the current term and are dropped when it changes: an acknowledgement of an older term may
// speak of entries that never became durable.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "raft/log.h"
#include "raft/message.h"
#include "raft/options.h"
#include "raft/output.h"
#include "raft/types.h"

namespace regent::raft {

class Durability {
 public:
  Durability(HardState hard_state, Index stable) : current_(hard_state), durable_(hard_state), stable_(stable) {}

  const HardState& current() const { return current_; }
  const HardState& durable() const { return durable_; }
  bool HardStateDurable() const { return current_ == durable_; }
  Index stable() const { return stable_; }  // the entries through it are durable
  bool StepOutstanding() const { return step_.has_value(); }

  void EnterTerm(Term term);  // forgets the vote and the waiting messages; REQUIRES: term > current().term
  void Vote(NodeId candidate);
  void Overwritten(Index first);  // the log dropped its entries from `first` on

  // The message leaves when current() and the entries through `through` are durable.
  void SendWhenDurable(Message message, Index through);

  void WantInstall(SnapshotToInstall snapshot);  // REQUIRES: !InstallPending()
  bool InstallPending() const { return wanted_.has_value() || (step_ && step_->install); }

  void TakeInto(Output& output, const Log& log, uint64_t step_bytes_max);
  void Persisted(StepId id, const Log& log, const CoreMutants& mutants);
  SnapshotToInstall Installed(StepId id);  // everything through its index is durable
  void InstallFailed(StepId id);

 private:
  struct Step {
    StepId id;
    HardState hard_state;
    Index last;  // of the step's entries; {0, 0} when it has none
    Term last_term;
    Index unchanged_through;  // lowered when entries of the step are overwritten
    std::optional<SnapshotToInstall> install;
  };
  struct Waiting {
    Message message;
    Index through;
  };

  void StartInstall(Output& output);
  void MoveReady(std::vector<Message>& to, Index durable_through);

  HardState current_;
  HardState durable_;
  Index stable_;
  std::optional<Step> step_;
  std::optional<SnapshotToInstall> wanted_;  // waits for the outstanding step
  StepId last_step_;
  std::vector<Waiting> waiting_;
};

}  // namespace regent::raft
