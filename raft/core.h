// A node of a Raft cluster as a function of its inputs: no clock, thread, lock, file, socket or log line. One loop owns
// it; chance comes from the seed given to it.
//
// Use: after any input, `while (core.HasOutput()) Handle(core.TakeOutput())`. output.h says what to do with it.
//
// Promises, each checked in tests after every step:
//   - a reply that promises something (a vote, an acknowledgement, a new term) leaves only when that is durable;
//   - the leader counts itself, and one node alone commits, only for entries reported by Persisted;
//   - `apply` is committed and durable here, in order, without gap or repetition;
//   - a read index is given out only by a leader that has committed in its own term and that a quorum confirmed after
//     the read began.
//
// Source: the Raft paper (figure 2 and 8) and the thesis (sections 3, 4.2.1, 6.4, 9.6, 10.2.1).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "raft/message.h"
#include "raft/options.h"
#include "raft/output.h"
#include "raft/proposal.h"
#include "raft/types.h"

namespace regent::raft {

class Core {
 public:
  explicit Core(CoreStart start, CoreOptions options = {}, CoreMutants mutants = {});
  ~Core();
  Core(Core&&) noexcept;

  // Inputs of time and network.
  void Tick();
  void Step(Message message);
  // The connections of `peer` closed. If it is the leader of `term`, which must be the current one, its stickiness ends
  // and this node asks around soon. A false alarm is harmless: the others still hear their leader.
  void PeerGone(NodeId peer, Term term);

  // Inputs of clients. O(1) for an entry; messages and the durable step are formed by TakeOutput for all of a turn.
  ProposeResult Propose(Bytes data);
  // All or none, contiguous; Proposed names the last. Moves from `batch` when it returns Proposed.
  ProposeResult ProposeBatch(std::span<Bytes> batch);
  // At most one change is under way. A change of voters takes two entries; the leader, or the next one, appends the
  // second by itself. Proposed names the first; the change is done when configuration() is no longer joint and
  // committed.
  ProposeResult ProposeConfiguration(ConfigurationChange change);
  // The node that takes over needs every entry of this one, so nothing is proposed meanwhile. Given up after an
  // election timeout; Proposed says nothing about an entry. Output::role tells of the success.
  ProposeResult TransferLeadership(NodeId to);
  NodeId transferee() const;  // kNobody: no transfer is under way
  // The leader gives up, for example because its disk does not answer. Others hear nobody and campaign.
  void StepDown();
  // False: not now (no leader known, or reads_max reached). Otherwise Output::reads or reads_failed names `id` later.
  bool ReadIndex(ReadId id);

  bool HasOutput() const;
  Output TakeOutput();  // may be empty

  // Answers of the owner.
  void Persisted(StepId step);
  void Applied(Index through);
  void Fetched(const LogFetch& fetch, FetchResult result);
  void Installed(StepId step);
  void InstallFailed(StepId step);
  void SnapshotReported(NodeId peer, Term term, bool sent, Index index);

  NodeId id() const;
  Term term() const;
  Role role() const;
  NodeId leader() const;  // kNobody: not known
  Index commit() const;
  Index last_index() const;
  Index persisted_index() const;
  Index applied() const;
  const Configuration& configuration() const;  // the newest one in the log
  Index configuration_index() const;
  std::vector<PeerStatus> peers() const;  // empty when this node does not lead

  // For describe.h, invariants.h and tests.
  struct State;
  const State& state() const { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

}  // namespace regent::raft
