// Construction, start, roles and the end of a node.
#include "server/node/node.h"

#include <algorithm>
#include <utility>

#include "api/contract/errors.h"
#include "api/contract/status_macros.h"
#include "glog/logging.h"
#include "raft/quorum.h"
#include "server/node/bootstrap.h"

namespace regent::server {

absl::StatusOr<std::unique_ptr<Node>> Node::Open(NodeSeams seams, NodeOptions options,
                                                 const storage::RecoveredLog& recovered) {
  CHECK(options.on_fatal) << "a node needs somebody who ends the process";
  CHECK_NE(options.member_id, 0u);
  REGENT_ASSIGN_OR_RETURN(NodeStart start, MakeNodeStart(seams, options, recovered));
  return std::unique_ptr<Node>(new Node(seams, std::move(options), std::move(start)));
}

Node::Node(NodeSeams seams, NodeOptions options, NodeStart start)
    : seams_(seams),
      options_(std::move(options)),
      random_(seams.seed),
      next_sequence_(random_.Next() << 24),
      announced_(std::move(start.named)),
      members_(std::make_shared<const std::vector<api::Member>>()),
      request_metrics_(seams.metrics),
      slow_requests_(options_.slow_request, seams.metrics),
      hub_(seams.watch_loop, seams.background, options_.watch, random_.Next(), seams.metrics, options_.mutants),
      purger_(seams_, options_),
      hash_jobs_(seams_),
      log_(seams_, options_,
           {.on_persisted = [this](raft::StepId step) { driver_.OnPersisted(step); },
            .on_fetched = [this](const raft::LogFetch& fetch,
                                 raft::FetchResult result) { driver_.OnFetched(fetch, std::move(result)); },
            .on_room_low = [this] { OnRoomLow(); }}),
      flusher_(seams_, options_, log_),
      applier_(seams_, options_, hub_, purger_, request_metrics_, slow_requests_,
               {.on_leases = [this](const std::vector<storage::LeaseChange>& changes) { keeper_.OnChanges(changes); },
                .on_alarms = [this] { OnAlarms(); },
                .on_members = [this] { OnMembers(); },
                .on_over_quota =
                    [this](std::vector<api::Done<api::WriteResult>> refused) { RaiseNoSpace(std::move(refused)); },
                .on_applied = [this] { driver_.Turn(); },
                .on_taken = [this] { driver_.OnApplierTookAll(); }}),
      gate_(seams_, applier_, [this](raft::ReadId id) { return driver_.ReadIndex(id); }),
      keeper_(seams_, options_,
              [this](raft::Term term, std::vector<api::LeaseId> ids, LeaseKeeper::Done done) {
                const uint64_t leads_in = options_.mutants.expire_when_deposed ? 0 : term.value;
                ProposeOwn(api::LeaseExpiryRequest{.ids = std::move(ids)}, leads_in, std::move(done));
              }),
      questions_(seams_, random_.Next()),
      compactor_(
          seams_, options_,
          {.leads = [this] { return keeper_.leading(); },
           .compact = [this](api::Revision at,
                             auto done) { ProposeOwn(api::CompactionRequest{.revision = at}, 0, std::move(done)); }}),
      driver_(seams_, options_, std::move(start.core), log_, applier_, gate_,
              {.on_role = [this](const raft::RoleChange& change) { OnRole(change); },
               .on_configuration_appended =
                   [this](const raft::Entry& entry) {
                     gate_.SetLocal(false);  // others may answer what this member has not applied
                     Announce(MembersNamedIn(entry));
                   },
               .on_membership = [this](MembershipRequest request) { changes_.Add(std::move(request)); },
               .on_snapshot_wanted =
                   [this](const raft::SnapshotToSend& wanted) { sender_.Want(wanted, applier_.applied()); },
               .on_install = [this](raft::StepId step, std::optional<raft::HardState> hard_state,
                                    const raft::SnapshotToInstall& snapshot) { Install(step, hard_state, snapshot); },
               .on_tick =
                   [this] {
                     questions_.Tick();
                     changes_.Advance();
                     sender_.Tick();
                     receiver_.Tick();
                     StepArrivedSnapshot();
                   }}),
      changes_(seams_, options_, driver_, applier_,
               [this] {
                 return MembershipChanges::Known{.members = CurrentMembers(),
                                                 .was_removed = [this](uint64_t id) { return WasRemoved(id); }};
               }),
      sender_(seams_, options_, random_.Next(),
              {.report = [this](raft::NodeId peer, raft::Term term, bool sent,
                                raft::Index index) { driver_.SnapshotReported(peer, term, sent, index); },
               .hold_log = [this](std::optional<raft::Index> above) { log_.Hold(above); }}),
      receiver_(seams_, options_,
                {.wanted = [this](raft::Index index) { return index.value > driver_.commit(); },
                 .arrived = [this](raft::Message message) { OnSnapshotArrived(std::move(message)); }}) {}

Node::~Node() = default;

// ---- start ---------------------------------------------------------------------------------------------------------

void Node::Start(Loop::Task ready) {
  on_ready_ = std::move(ready);
  seams_.metrics.server_quota_backend_bytes.Set(static_cast<double>(options_.quota_bytes));
  hub_.Start(seams_.state_machine.view());
  keeper_.Start(seams_.state_machine.Leases());
  OnAlarms();
  OnMembers();
  seams_.apply_loop.Post([this] {
    flusher_.Start();
    purger_.Kick();  // a purge that a restart interrupted
  });
  seams_.raft_loop.Post([this] {
    compactor_.Start();
    driver_.Start();
  });
}

void Node::OnRole(const raft::RoleChange& change) {
  gate_.SetLocal(false);
  questions_.FailAll(api::ErrLeaderChanged());
  changes_.FailAll(api::ErrLeaderChanged());
  if (change.role != raft::Role::kLeader) sender_.Stop();
  if (change.role != raft::Role::kLeader) keeper_.Follow();
  if (change.leader == raft::kNobody) return;
  applier_.WhenTermApplied(change.term, [this, change] { OnTermApplied(change); });
}

// On the apply loop: an entry of the leader's term, and so everything committed in earlier terms, is applied here.
void Node::OnTermApplied(raft::RoleChange change) {
  seams_.raft_loop.Post([this, change] {
    if (stopping_.load() || change.role != raft::Role::kLeader) return;
    if (driver_.term() != change.term.value || driver_.role() != raft::Role::kLeader) return;
    keeper_.Lead(change.term);
    if (log_.room_low()) LeadWithoutRoom();  // as a follower it kept silent
    // Renewals posted from now on find the keeper leading.
    DecideLocal();
    gate_.Tick();
  });
  if (ready_.exchange(true)) return;
  seams_.watch_loop.Post([this] { hub_.Serve(); });
  if (on_ready_) on_ready_();
  on_ready_ = nullptr;
  seams_.raft_loop.Post([this] { Publish(); });
}

// Reads need ask nobody while there is nobody else, and what made it so is applied.
void Node::DecideLocal() {
  const bool settled = driver_.configuration_index() <= applier_.applied();
  if (keeper_.leading() && !stopping_.load()) gate_.SetLocal(driver_.Alone() && settled);
}

// ---- stop ----------------------------------------------------------------------------------------------------------

// In the order of the data: nothing new is taken; what is under way goes through the log and is applied and answered;
// what is left fails; the store is flushed, the streams end, the log gets its final mark.
void Node::Stop(Loop::Task stopped) {
  if (stopping_.exchange(true)) return;
  gate_.SetLocal(false);
  gate_.Close();
  driver_.CloseIntake();
  seams_.raft_loop.Post([this, stopped = std::move(stopped)]() mutable {
    HandOver([this, stopped = std::move(stopped)]() mutable {
      // One round for the step that is out, one for what gathered meanwhile.
      DrainLog(2, [this, stopped = std::move(stopped)]() mutable { StopRaft(std::move(stopped)); });
    });
  });
}

// To the voter that has most of the log, so that the others need no election. It need not succeed.
void Node::HandOver(Loop::Task then) {
  raft::NodeId best;
  raft::Index match;
  for (const raft::PeerStatus& peer : driver_.peers()) {
    const bool votes = raft::IsVoter(driver_.configuration(), peer.id);
    if (!votes || !seams_.transport.ConnectedSince(peer.id).has_value() || peer.match < match) continue;
    best = peer.id;
    match = peer.match;
  }
  if (driver_.role() != raft::Role::kLeader || best == raft::kNobody) return then();
  const MonotonicTime deadline = seams_.raft_loop.Now() + options_.election_timeout;
  driver_.TransferLeadership(best, deadline, [then = std::move(then)](const absl::Status& status) mutable {
    LOG_IF(WARNING, !status.ok()) << "the leadership is not handed over: " << status;
    then();
  });
}

void Node::DrainLog(int rounds, Loop::Task then) {
  if (rounds == 0) return then();
  driver_.TakeRest();
  seams_.log_loop.Post([this, rounds, then = std::move(then)]() mutable {
    seams_.raft_loop.Post([this, rounds, then = std::move(then)]() mutable { DrainLog(rounds - 1, std::move(then)); });
  });
}

void Node::StopRaft(Loop::Task stopped) {
  compactor_.Stop();
  driver_.FailHeld(api::ErrStopped());
  questions_.FailAll(api::ErrStopped());
  changes_.FailAll(api::ErrStopped());
  gate_.FailAll(api::ErrStopped());
  applier_.FailAll(api::ErrStopped());
  seams_.apply_loop.Post([this, stopped = std::move(stopped)]() mutable { StopApply(std::move(stopped)); });
}

void Node::StopApply(Loop::Task stopped) {
  purger_.Stop(api::ErrStopped());
  hash_jobs_.Stop();
  flusher_.Stop();
  flusher_.FlushNow();
  seams_.raft_loop.Post([this] { keeper_.Stop(api::ErrStopped()); });
  seams_.watch_loop.Post([this, stopped = std::move(stopped)]() mutable {
    hub_.Finish(api::ErrStopped());
    log_.Close(std::move(stopped));
  });
}

}  // namespace regent::server
