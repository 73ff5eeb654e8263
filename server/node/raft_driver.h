// Owns the core of the protocol and carries out its outputs: durable steps to the log, committed entries to the
// applier, messages to the transport, reads to the gate. Takes proposals from any thread.
//
// The way of a write on a single node: Propose (any thread) → raft loop: Core::Propose, output → log loop: one write,
// one sync → raft loop: Core::Persisted, output → apply loop: apply, answer. What arrives while the log syncs goes with
// the next step: that is the group commit. Writes are taken in only when the apply loop has begun with everything
// committed before: an earlier sync would not be answered earlier, and larger steps cost less. So there are at most as
// many syncs as turns of the apply loop, each beside the turn before.
//
// Writes of a member that does not lead go to the leader (peer_note.h), at most once; their answer comes with the entry
// through the own log. Those that find no leader wait here until there is one or their deadline passes.
//
// Owner: the raft loop. Propose and the numbers may be used from any thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "raft/core.h"
#include "server/node/applier.h"
#include "server/node/log_driver.h"
#include "server/node/node_options.h"
#include "server/node/random.h"
#include "server/node/read_gate.h"
#include "server/runtime/mailbox.h"

namespace regent::server {

// A request for another configuration, as a member took it from a client, or as it came from that member.
struct MembershipRequest {
  std::string command;
  raft::NodeId from;  // who is told when it is refused; nobody: the proposal's caller here
  uint64_t sequence = 0;
  std::optional<Proposal> proposal = std::nullopt;
};

class RaftDriver {
 public:
  struct Request {
    std::string command;  // encoded, with the proposal's sequence
    Proposal proposal;
  };

  struct Events {  // on the raft loop
    std::function<void(const raft::RoleChange&)> on_role;
    // It counts from now on, and nothing of this turn has been sent.
    std::function<void(const raft::Entry&)> on_configuration_appended;
    std::function<void(MembershipRequest)> on_membership;  // while this member leads
    std::function<void(const raft::SnapshotToSend&)> on_snapshot_wanted;
    // The snapshot takes the place of log and store, after the hard state is saved; then OnInstalled.
    std::function<void(raft::StepId, std::optional<raft::HardState>, const raft::SnapshotToInstall&)> on_install;
    std::function<void()> on_tick;
  };

  RaftDriver(const NodeSeams& seams, const NodeOptions& options, raft::CoreStart start, LogDriver& log,
             Applier& applier, ReadGate& gate, Events events);

  // The first turn and the ticks. On the loop.
  void Start();

  // Takes the request, or leaves it as it is and returns ErrTooManyRequests or ErrStopped.
  absl::Status Propose(Request& request);
  // No request is taken from any thread any more.
  void CloseIntake() { intake_.Close(); }

  // On the loop.
  void ProposeHere(Request request);
  bool ReadIndex(raft::ReadId id);
  void OnPersisted(raft::StepId step);
  void OnInstalled(raft::StepId step);
  void SnapshotReported(raft::NodeId peer, raft::Term term, bool sent, raft::Index index);
  void OnApplierTookAll();
  void OnFetched(const raft::LogFetch& fetch, raft::FetchResult result);
  void Step(raft::Message message);
  void PeerGone(raft::NodeId peer);
  void OnForwarded(raft::NodeId from, ForwardedWrites writes);
  void OnRefused(const WriteRefused& refused);
  // `done` on this loop: OK when the other one leads. ErrNotLeader, ErrBadLeaderTransferee, ErrTimeoutLeaderTransfer.
  void TransferLeadership(raft::NodeId to, MonotonicTime deadline, absl::AnyInvocable<void(absl::Status)> done);
  void Turn();
  // What was taken before CloseIntake is proposed now.
  void TakeRest();
  void FailHeld(const absl::Status& status);

  // False: not now; `request` is as it was. Else the request goes with the first entry of the change.
  bool ProposeConfiguration(raft::Configuration target, MembershipRequest& request);

  // Is there nobody else, neither voters nor learners?
  bool Alone() const;
  raft::Role role() const { return core_.role(); }
  const raft::Configuration& configuration() const { return core_.configuration(); }  // the newest, committed or not
  bool step_outstanding() const { return step_out_; }
  raft::Index configuration_index() const { return core_.configuration_index(); }
  std::vector<raft::PeerStatus> peers() const { return core_.peers(); }

  uint64_t commit() const { return commit_.load(std::memory_order_relaxed); }
  uint64_t term() const { return term_.load(std::memory_order_relaxed); }
  uint64_t leader() const { return leader_.load(std::memory_order_relaxed); }

 private:
  void TakeIntake();
  void Hold(Request request);
  void ProposeHeld();
  void SendForwards();
  void WatchTransfer();
  void Handle(raft::Output output);
  void OnRole(const raft::RoleChange& change);
  void ReportApplied();
  void Tick();
  void WatchHeartbeats();
  void Publish();

  Loop& loop_;
  const NodeOptions& options_;
  Metrics& metrics_;
  LogDriver& log_;
  Applier& applier_;
  ReadGate& gate_;
  Transport& transport_;
  const Events events_;

  Random random_;  // of the raft loop
  Mailbox<Request> intake_;
  std::atomic<uint64_t> commit_{0}, term_{0}, leader_{0};

  // Of the raft loop.
  raft::Core core_;
  std::vector<Request> taken_;     // memory of TakeIntake
  std::vector<Request> held_;      // no leader is known, or it cannot be reached
  std::vector<Request> forwards_;  // of this turn, for the leader elsewhere
  std::vector<Proposal> fresh_;    // proposed, their callers not yet at the applier
  std::vector<raft::Message> after_persist_;
  struct Transfer {
    raft::NodeId to;
    MonotonicTime deadline;
    absl::AnyInvocable<void(absl::Status)> done;
  };
  std::optional<Transfer> transfer_;
  MonotonicTime ticked_at_;
  std::optional<MonotonicTime> step_since_;  // a durable step is outstanding, and the disk is not full
  MonotonicTime step_begun_;                 // of the newest one
  bool step_out_ = false;
  bool in_turn_ = false;
  bool intake_waits_ = false;  // for the applier; nobody else will look into it
  bool applied_wanted_ = false;
  size_t handed_bytes_ = 0;  // given to the applier since it was seen to have nothing left
  raft::Index handed_;       // to the applier
  uint32_t ticks_without_leader_ = 0;
};

}  // namespace regent::server
