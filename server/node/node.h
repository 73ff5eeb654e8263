// One member: the protocol, the log, the state machine, leases and watches, put together. Implements what the services
// ask for (api/service/backend.h).
//
// Life: Open (checks the log against the store) → Start (`ready` runs once an entry of the current term, and with it
// everything acknowledged before, is applied here; calls that come earlier wait) → Stop (`stopped` runs when everything
// is drained, flushed and marked) → end the loops, the background pool last → destroy the node.
//
// A call that Stop overtakes ends with ErrStopped: a write among them may have happened.
//
// Threads: the functions of Backend from any thread; Start and Stop from any thread, once each.
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <vector>

#include "absl/status/statusor.h"
#include "api/service/backend.h"
#include "server/node/applier.h"
#include "server/node/auto_compactor.h"
#include "server/node/bootstrap.h"
#include "server/node/flusher.h"
#include "server/node/hash_jobs.h"
#include "server/node/leader_questions.h"
#include "server/node/lease_keeper.h"
#include "server/node/log_driver.h"
#include "server/node/membership_changes.h"
#include "server/node/node_options.h"
#include "server/node/purger.h"
#include "server/node/raft_driver.h"
#include "server/node/random.h"
#include "server/node/read_gate.h"
#include "server/node/request_metrics.h"
#include "server/node/slow_requests.h"
#include "server/node/snapshot_receiver.h"
#include "server/node/snapshot_sender.h"
#include "server/node/watch_hub.h"

namespace regent::server {

class Node final : public api::Backend {
 public:
  // `recovered`: what opening the log found. DataLoss when log and store contradict each other.
  static absl::StatusOr<std::unique_ptr<Node>> Open(NodeSeams seams, NodeOptions options,
                                                    const storage::RecoveredLog& recovered);
  ~Node() override;

  void Start(Loop::Task ready);   // `ready` runs on the apply loop
  void Stop(Loop::Task stopped);  // `stopped` runs on the log loop

  bool ready() const { return ready_.load(std::memory_order_acquire); }

  api::Header CurrentHeader() const override;
  bool HasLeader() const override { return driver_.leader() != 0; }
  void Propose(api::WriteRequest request, api::MonotonicTime deadline, api::Done<api::WriteResult> done) override;
  void Reject(api::WriteRequest request, absl::Status why, absl::AnyInvocable<void(absl::Status)> done) override;
  void Range(api::RangeRequest request, api::MonotonicTime deadline, api::Done<api::RangeResult> done) override;
  void OpenRange(api::RangeRequest request, api::MonotonicTime deadline,
                 api::Done<std::unique_ptr<api::SlicedRange>> done) override;
  void ReadTxn(api::TxnRequest request, api::MonotonicTime deadline, api::Done<api::TxnResult> done) override;
  void LeaseKeepAlive(api::LeaseId id, api::Done<api::LeaseKeepAliveResult> done) override;
  void LeaseTimeToLive(api::LeaseId id, bool keys, api::Done<api::LeaseTimeToLiveResult> done) override;
  void LeaseLeases(api::Done<api::LeaseLeasesResult> done) override;
  std::unique_ptr<api::WatchStream> OpenWatch(std::shared_ptr<api::WatchSink> sink) override;
  void MemberList(bool linearizable, api::MonotonicTime deadline, api::Done<std::vector<api::Member>> done) override;
  void Status(api::Done<api::StatusResult> done) override;
  void Alarms(api::AlarmRequest get, api::Done<api::AlarmResult> done) override;
  void Defragment(api::Done<std::monostate> done) override;
  void MoveLeader(uint64_t target, api::Done<std::monostate> done) override;
  void Hash(api::Done<api::HashResult> done) override;
  void HashKv(int64_t revision, api::Done<api::HashKvResult> done) override;

  // Sets the gauges that describe the store as it is now. From any thread; for whoever is about to show them.
  void RefreshMetrics();

  // From the transport, from any thread.
  void Step(raft::Message message);
  void OnNote(raft::NodeId from, PeerNote note);
  void PeerGone(raft::NodeId peer);

  // Who they are, as applied here; the transport connects to them.
  std::shared_ptr<const std::vector<api::Member>> CurrentMembers() const;
  bool WasRemoved(uint64_t member) const;
  // Those whom the newest configuration names as well. Whoever may not vote yet is a learner here: a newcomer takes
  // this list for the configuration until it has a log.
  std::vector<api::Member> MembersForJoiners() const;

 private:
  Node(NodeSeams seams, NodeOptions options, NodeStart start);

  // Proposals (node_proposals.cc).
  RaftDriver::Request MakeRequest(api::WriteRequest body, uint64_t leader_term, MonotonicTime deadline,
                                  api::Done<api::WriteResult> done);
  void ProposeGrantWithoutId(api::LeaseGrantRequest grant, MonotonicTime deadline, api::Done<api::WriteResult> done);
  void ProposeMemberWithoutId(api::MemberAddRequest add, MonotonicTime deadline, api::Done<api::WriteResult> done);
  api::Done<api::WriteResult> AfterPurge(api::Revision revision, api::Done<api::WriteResult> done);
  // What the node itself wants, from the raft loop; `done` runs on it, later.
  void ProposeOwn(api::WriteRequest body, uint64_t leader_term, absl::AnyInvocable<void(absl::Status)> done);
  void RefuseForSpace(api::Done<api::WriteResult> done);  // from any thread
  // `refused` hears ErrNoSpace as soon as the alarm is raised, or cannot be.
  void RaiseNoSpace(std::vector<api::Done<api::WriteResult>> refused);
  void AnswerRefused();
  void OnRoomLow();  // on the log loop
  void LeadWithoutRoom();

  // Members and leadership (node_members.cc).
  void OnMembers();
  void Announce(std::vector<NamedMember> members);
  void TellMembers();
  void Publish();
  void AnswerQuestion(raft::NodeId from, const LeaseQuestion& question);
  void AskLeader(LeaseQuestion::Kind kind, api::LeaseId lease, LeaderQuestions::Answered answered);
  bool LeaderIsElsewhere() const;
  void AskToKeepAlive(api::LeaseId id, api::Done<api::LeaseKeepAliveResult> done);
  void AskTimeToLive(api::LeaseId id, bool keys, api::Done<api::LeaseTimeToLiveResult> done);

  // Snapshots (node_members.cc).
  void Install(raft::StepId step, std::optional<raft::HardState> hard_state, const raft::SnapshotToInstall& snapshot);
  void OnSnapshotArrived(raft::Message message);
  void StepArrivedSnapshot();
  void RemoveReplacedLater();

  // Life (node.cc).
  void OnRole(const raft::RoleChange& change);
  void DecideLocal();
  void OnTermApplied(raft::RoleChange change);
  void HandOver(Loop::Task then);
  void DrainLog(int rounds, Loop::Task then);
  void StopRaft(Loop::Task stopped);
  void StopApply(Loop::Task stopped);

  std::shared_ptr<const storage::View> ReadView();
  absl::StatusOr<api::RangeResult> RangeNow(const api::RangeRequest& request);
  absl::StatusOr<api::TxnResult> ReadTxnNow(const api::TxnRequest& request);

  // Counting (node_metrics.cc). `begun`: when the call came.
  absl::StatusOr<api::RangeResult> RangeCounted(const api::RangeRequest& request, MonotonicTime begun);
  absl::StatusOr<api::TxnResult> ReadTxnCounted(const api::TxnRequest& request, MonotonicTime begun);
  void OnAlarms();

  MonotonicTime Bounded(MonotonicTime deadline) const;

  const NodeSeams seams_;
  const NodeOptions options_;
  Random random_;  // of the raft loop, after construction
  std::atomic<uint64_t>
      next_sequence_;  // begins at a random place: an earlier life's proposals are not mistaken for ours
  std::atomic<bool> ready_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> no_space_{false};  // this member's alarm is on, as applied here
  std::atomic<bool> is_learner_{false};
  std::vector<NamedMember> announced_;  // of the raft loop, after construction: in the log, perhaps not applied
  mutable Mutex members_mutex_;
  std::shared_ptr<const std::vector<api::Member>> members_ ABSL_GUARDED_BY(members_mutex_);
  std::set<uint64_t> removed_members_ ABSL_GUARDED_BY(members_mutex_);
  std::vector<api::Member> members_for_joiners_ ABSL_GUARDED_BY(members_mutex_);
  bool installing_ = false;  // of the raft loop, as are the next
  std::optional<MonotonicTime> handed_over_for_room_;
  std::optional<raft::Message> arrived_snapshot_;
  bool publishing_ = false;
  bool raising_no_space_ = false;
  std::vector<api::Done<api::WriteResult>> refused_;
  std::set<api::AlarmMember> alarms_shown_;  // of the apply loop, after Start
  std::atomic<uint64_t> reads_{0};           // of a mutant
  Mutex stale_mutex_;
  std::shared_ptr<const storage::View> stale_view_ ABSL_GUARDED_BY(stale_mutex_);  // of a mutant
  Loop::Task on_ready_;                                                            // of the apply loop, after Start

  RequestMetrics request_metrics_;
  SlowRequests slow_requests_;
  WatchHub hub_;
  Purger purger_;
  HashJobs hash_jobs_;
  LogDriver log_;
  Flusher flusher_;
  Applier applier_;
  ReadGate gate_;
  LeaseKeeper keeper_;
  LeaderQuestions questions_;
  AutoCompactor compactor_;
  RaftDriver driver_;
  MembershipChanges changes_;
  SnapshotSender sender_;
  SnapshotReceiver receiver_;
};

}  // namespace regent::server
