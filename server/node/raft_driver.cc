#include "server/node/raft_driver.h"

#include <algorithm>
#include <array>
#include <utility>

#include "api/contract/errors.h"
#include "glog/logging.h"
#include "raft/quorum.h"
#include "storage/command.h"

namespace regent::server {
namespace {

constexpr size_t kForwardBytesMax = 1 << 20;  // of one note, or one command
constexpr size_t kHeldMax = 10'000;

// By the alternative of WriteRequest.
bool IsMembershipChange(size_t kind) {
  static const std::array<size_t, 3> kKinds = {api::WriteRequest(api::MemberAddRequest()).index(),
                                               api::WriteRequest(api::MemberRemoveRequest()).index(),
                                               api::WriteRequest(api::MemberPromoteRequest()).index()};
  return std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end();
}

raft::CoreOptions CoreOptionsOf(const NodeOptions& options) {
  raft::CoreOptions core = options.raft;
  core.heartbeat_ticks = 1;
  core.peer_gone_ticks_max = 0;  // PeerGone waits
  core.election_ticks = static_cast<uint32_t>(std::max<int64_t>(
      2, options.election_timeout.count() / std::max<int64_t>(1, options.heartbeat_interval.count())));
  return core;
}

}  // namespace

RaftDriver::RaftDriver(const NodeSeams& seams, const NodeOptions& options, raft::CoreStart start, LogDriver& log,
                       Applier& applier, ReadGate& gate, Events events)
    : loop_(seams.raft_loop),
      options_(options),
      metrics_(seams.metrics),
      log_(log),
      applier_(applier),
      gate_(gate),
      transport_(seams.transport),
      events_(std::move(events)),
      random_(seams.seed ^ 0x676f6e65),
      intake_(options.proposals_waiting_max),
      core_(std::move(start), CoreOptionsOf(options), options.mutants.core),
      handed_(core_.applied()) {
  Publish();
}

void RaftDriver::Start() {
  ticked_at_ = loop_.Now();
  Turn();
  loop_.PostAfter(options_.heartbeat_interval, [this] { Tick(); });
}

bool RaftDriver::Alone() const { return raft::IsAlone(core_.configuration(), core_.id()); }

// ---- inputs --------------------------------------------------------------------------------------------------------

absl::Status RaftDriver::Propose(Request& request) {
  if (commit() > applier_.applied().value + options_.unapplied_entries_max) return api::ErrTooManyRequests();
  switch (intake_.Add(request)) {
    case Mailbox<Request>::Put::kFirst:
      loop_.Post([this] { TakeIntake(); });
      return absl::OkStatus();
    case Mailbox<Request>::Put::kMore:
      return absl::OkStatus();
    case Mailbox<Request>::Put::kFull:
      return api::ErrTooManyRequests();
    case Mailbox<Request>::Put::kClosed:
      return api::ErrStopped();
  }
  return absl::OkStatus();
}

void RaftDriver::TakeIntake() {
  intake_waits_ = !applier_.HasTakenAll();
  if (!intake_waits_) TakeRest();
}

void RaftDriver::OnApplierTookAll() {
  if (intake_waits_) TakeIntake();
}

void RaftDriver::TakeRest() {
  intake_waits_ = false;
  intake_.Take(taken_);
  for (Request& request : taken_) ProposeHere(std::move(request));
  taken_.clear();
  Turn();
}

void RaftDriver::ProposeHere(Request request) {
  if (core_.role() != raft::Role::kLeader) {
    if (core_.leader() == raft::kNobody) return Hold(std::move(request));
    forwards_.push_back(std::move(request));
    return;
  }
  if (IsMembershipChange(request.proposal.kind)) {
    return events_.on_membership({.command = std::move(request.command),
                                  .from = raft::kNobody,
                                  .sequence = request.proposal.sequence,
                                  .proposal = std::move(request.proposal)});
  }
  const raft::ProposeResult result = core_.Propose(raft::Bytes(std::move(request.command)));
  if (std::holds_alternative<raft::Proposed>(result)) {
    fresh_.push_back(std::move(request.proposal));
    return;
  }
  metrics_.server_proposals_failed_total.Increment();
  request.proposal.done(api::ErrTooManyRequests());
}

void RaftDriver::Hold(Request request) {
  if (held_.size() < kHeldMax) return held_.push_back(std::move(request));
  metrics_.server_proposals_failed_total.Increment();
  request.proposal.done(api::ErrTooManyRequests());
}

void RaftDriver::ProposeHeld() {
  for (Request& request : std::exchange(held_, {})) ProposeHere(std::move(request));
}

// What was taken in this turn goes out together. The callers wait at the applier, as if it had been proposed here.
void RaftDriver::SendForwards() {
  std::vector<Request> requests = std::exchange(forwards_, {});
  const raft::NodeId leader = core_.leader();
  if (leader == raft::kNobody || core_.role() == raft::Role::kLeader) {  // it changed in this very turn
    for (Request& request : requests) ProposeHere(std::move(request));
    return;
  }
  if (!transport_.ConnectedSince(leader).has_value()) {  // it is back soon, or another one leads
    for (Request& request : requests) Hold(std::move(request));
    return;
  }
  for (size_t next = 0; next < requests.size();) {
    ForwardedWrites writes;
    const size_t first = next;
    for (size_t bytes = 0; next < requests.size() && bytes < kForwardBytesMax; ++next) {
      bytes += requests[next].command.size();
      writes.commands.push_back(std::move(requests[next].command));
    }
    if (options_.mutants.forward_twice) transport_.Tell(leader, writes);
    const bool sent = transport_.Tell(leader, std::move(writes));
    for (size_t i = first; i < next; ++i) {
      if (sent) {
        fresh_.push_back(std::move(requests[i].proposal));
        continue;
      }
      metrics_.server_proposals_failed_total.Increment();
      requests[i].proposal.done(api::ErrTooManyRequests());
    }
  }
}

// A command is judged before it is proposed: apply ends every member when it cannot read one.
void RaftDriver::OnForwarded(raft::NodeId from, ForwardedWrites writes) {
  for (std::string& command : writes.commands) {
    const absl::StatusOr<storage::Command> decoded = storage::DecodeCommand(command);
    if (!decoded.ok() || decoded->request.node != from.value) continue;  // no member's doing
    WriteRefused refused{.sequence = decoded->request.sequence, .why = api::ErrLeaderChanged()};
    if (core_.role() == raft::Role::kLeader) {
      if (IsMembershipChange(decoded->body.index())) {
        events_.on_membership({.command = std::move(command), .from = from, .sequence = refused.sequence});
        continue;
      }
      if (std::holds_alternative<raft::Proposed>(core_.Propose(raft::Bytes(std::move(command))))) continue;
      refused.why = api::ErrTooManyRequests();
    }
    transport_.Tell(from, std::move(refused));
  }
  Turn();
}

void RaftDriver::OnRefused(const WriteRefused& refused) {
  applier_.Apply({}, std::exchange(fresh_, {}));  // its caller may be among them
  applier_.Refuse(refused.sequence, refused.why);
}

bool RaftDriver::ReadIndex(raft::ReadId id) {
  const bool asked = core_.ReadIndex(id);
  if (asked) Turn();
  return asked;
}

void RaftDriver::OnPersisted(raft::StepId step) {
  step_out_ = false;
  step_since_.reset();
  if (!after_persist_.empty()) transport_.Send(std::exchange(after_persist_, {}));
  core_.Persisted(step);
  Turn();
}

void RaftDriver::OnInstalled(raft::StepId step) {
  step_out_ = false;
  if (!after_persist_.empty()) transport_.Send(std::exchange(after_persist_, {}));
  core_.Installed(step);
  handed_ = core_.applied();
  handed_bytes_ = 0;
  Turn();
}

void RaftDriver::SnapshotReported(raft::NodeId peer, raft::Term term, bool sent, raft::Index index) {
  core_.SnapshotReported(peer, term, sent, index);
  Turn();
}

void RaftDriver::OnFetched(const raft::LogFetch& fetch, raft::FetchResult result) {
  core_.Fetched(fetch, std::move(result));
  Turn();
}

void RaftDriver::Step(raft::Message message) {
  core_.Step(std::move(message));
  Turn();
}

void RaftDriver::TransferLeadership(raft::NodeId to, MonotonicTime deadline,
                                    absl::AnyInvocable<void(absl::Status)> done) {
  if (transfer_.has_value()) return done(api::ErrTimeoutLeaderTransfer());
  const raft::ProposeResult result = core_.TransferLeadership(to);
  if (const auto* refused = std::get_if<raft::Refused>(&result)) {
    const bool bad = refused->reason == raft::Refused::Reason::kBadTransferee;
    const bool elsewhere = refused->reason == raft::Refused::Reason::kNotLeader;
    return done(bad         ? api::ErrBadLeaderTransferee()
                : elsewhere ? api::ErrNotLeader()
                            : api::ErrTimeoutLeaderTransfer());
  }
  transfer_.emplace(Transfer{to, deadline, std::move(done)});
  Turn();
}

// The core gives a transfer up after an election timeout; then this member leads on.
void RaftDriver::WatchTransfer() {
  if (!transfer_.has_value()) return;
  const bool over = core_.leader() == transfer_->to;
  const bool given_up = core_.role() == raft::Role::kLeader && core_.transferee() == raft::kNobody;
  if (!over && !given_up && loop_.Now() < transfer_->deadline) return;
  Transfer transfer = *std::exchange(transfer_, std::nullopt);
  transfer.done(over ? absl::OkStatus() : api::ErrTimeoutLeaderTransfer());
}

bool RaftDriver::ProposeConfiguration(raft::Configuration target, MembershipRequest& request) {
  const raft::ProposeResult result = core_.ProposeConfiguration(
      {.target = std::move(target), .expected = core_.configuration_index(), .context = request.command});
  if (!std::holds_alternative<raft::Proposed>(result)) return false;
  if (request.proposal.has_value()) fresh_.push_back(*std::move(request.proposal));
  Turn();
  return true;
}

// The others hear of it at the same moment, and whoever campaigns first should win alone: each waits for a part of a
// heartbeat of its own, finer than ticks are. The tick afterwards begins the campaign.
void RaftDriver::PeerGone(raft::NodeId peer) {
  if (peer != core_.leader()) {
    core_.PeerGone(peer, core_.term());
    return Turn();
  }
  const auto wait = static_cast<uint64_t>(Duration(options_.heartbeat_interval).count());
  loop_.PostAfter(Duration(static_cast<int64_t>(random_.Next() % (wait + 1))), [this, peer, term = core_.term()] {
    if (core_.term() != term || core_.leader() != peer) return;
    core_.PeerGone(peer, term);
    core_.Tick();
    Turn();
  });
}

// As etcd counts and says it: a heartbeat that comes more than an interval late.
void RaftDriver::WatchHeartbeats() {
  const MonotonicTime now = loop_.Now();
  const Duration late = now - std::exchange(ticked_at_, now) - 2 * options_.heartbeat_interval;
  const size_t others = core_.role() == raft::Role::kLeader ? core_.peers().size() : 0;
  if (late <= Duration::zero() || others == 0) return;
  metrics_.server_heartbeat_send_failures_total.Increment(others);
  LOG(WARNING) << "leader failed to send out heartbeat on time; took too long, leader is overloaded likely from slow "
                  "disk; exceeded by "
               << std::chrono::duration_cast<std::chrono::milliseconds>(late).count() << " ms";
}

void RaftDriver::Tick() {
  WatchHeartbeats();
  loop_.PostAfter(options_.heartbeat_interval, [this] { Tick(); });
  core_.Tick();
  if (step_since_.has_value() && log_.waits_for_space()) step_since_ = loop_.Now();
  if (step_since_.has_value() && loop_.Now() - *step_since_ >= options_.disk_stall_max) {
    step_since_.reset();
    options_.on_fatal("the disk of the log has not answered for too long");
  }
  // Heartbeats would go on while nothing can be written: others must lead.
  if (step_since_.has_value() && core_.role() == raft::Role::kLeader && !Alone() &&
      !options_.mutants.lead_with_stalled_disk && loop_.Now() - step_begun_ >= 2 * options_.election_timeout) {
    LOG(WARNING) << "the disk of the log has not answered for two election timeouts: this member leads no more";
    core_.StepDown();
  }
  std::vector<Request> waiting = std::exchange(held_, {});
  for (Request& request : waiting) {
    if (request.proposal.deadline <= loop_.Now()) {
      metrics_.server_proposals_failed_total.Increment();
      request.proposal.done(api::ErrTimeout());
    } else {
      ProposeHere(std::move(request));
    }
  }
  // Callers whose entries are not committed meet their deadlines at the applier, too.
  if (!fresh_.empty()) applier_.Apply({}, std::exchange(fresh_, {}));
  Turn();
  WatchTransfer();
  gate_.Tick();
  events_.on_tick();
  if (core_.leader() != raft::kNobody) {
    ticks_without_leader_ = 0;
  } else if (++ticks_without_leader_ == 3 * CoreOptionsOf(options_).election_ticks && options_.on_leader_lost) {
    options_.on_leader_lost();
  }
}

void RaftDriver::FailHeld(const absl::Status& status) {
  TakeRest();
  for (Request& request : std::exchange(held_, {})) request.proposal.done(status);
  if (transfer_.has_value()) std::exchange(transfer_, std::nullopt)->done(status);
  if (!fresh_.empty()) applier_.Apply({}, std::exchange(fresh_, {}));
}

// ---- outputs -------------------------------------------------------------------------------------------------------

void RaftDriver::Turn() {
  if (std::exchange(in_turn_, true)) return;  // an output led to an input: the running turn sees it
  ReportApplied();
  do {
    while (core_.HasOutput()) {
      Handle(core_.TakeOutput());
      ReportApplied();
    }
    if (!forwards_.empty()) SendForwards();
  } while (core_.HasOutput());
  Publish();
  in_turn_ = false;
}

// In the order that output.h prescribes.
void RaftDriver::Handle(raft::Output output) {
  for (const raft::Entry& entry : output.append) {
    if (entry.type == raft::EntryType::kConfiguration) events_.on_configuration_appended(entry);
  }
  if (!output.send.empty()) transport_.Send(std::move(output.send));
  if (output.step.has_value()) step_out_ = true;
  if (output.install.has_value()) {
    after_persist_ = std::move(output.send_after_persist);
    events_.on_install(*output.step, output.hard_state, *output.install);
  } else if (output.step.has_value()) {
    after_persist_ = std::move(output.send_after_persist);
    step_begun_ = loop_.Now();
    step_since_ = step_begun_;
    log_.Write(*output.step, output.hard_state, std::move(output.append));
  }
  for (const raft::LogFetch& fetch : output.fetch) log_.Fetch(fetch);
  for (const raft::SnapshotToSend& wanted : output.snapshots) events_.on_snapshot_wanted(wanted);
  if (!output.apply.empty()) {
    handed_ = output.apply.back().index;
    for (const raft::Entry& entry : output.apply) handed_bytes_ += entry.data.size();
    applier_.Apply(std::move(output.apply), std::exchange(fresh_, {}));
  }
  for (const raft::Read& read : output.reads) gate_.OnRead(read);
  for (const raft::ReadId id : output.reads_failed) gate_.OnReadFailed(id);
  if (output.role.has_value()) OnRole(*output.role);
}

// Tells the core how far apply is, when there is news. While much is handed out the applier is asked to speak up, so
// that the core goes on handing out; otherwise the next turn is early enough, and a write costs no extra wake-up.
void RaftDriver::ReportApplied() {
  const bool wanted = handed_bytes_ > options_.raft.apply_bytes_max / 2;
  if (wanted != applied_wanted_) {
    applied_wanted_ = wanted;
    applier_.WantApplied(wanted);
  }
  // What a snapshot brought is ahead of what was handed out, until the core hears that it is installed.
  const raft::Index applied = std::min(applier_.applied(), handed_);
  if (applied <= core_.applied()) return;
  core_.Applied(applied);
  if (applied == handed_) handed_bytes_ = 0;
}

void RaftDriver::OnRole(const raft::RoleChange& change) {
  LOG(INFO) << "raft: term " << change.term.value << ", leader " << change.leader.value
            << (change.role == raft::Role::kLeader ? " (this member)" : "");
  if (change.leader != raft::kNobody && change.leader.value != leader()) {
    metrics_.server_leader_changes_seen_total.Increment();
  }
  metrics_.server_has_leader.Set(change.leader == raft::kNobody ? 0 : 1);
  metrics_.server_is_leader.Set(change.role == raft::Role::kLeader ? 1 : 0);
  // What was proposed in an earlier term may still be committed, or may not: nobody here can tell.
  if (!fresh_.empty()) applier_.Apply({}, std::exchange(fresh_, {}));
  if (!options_.mutants.wait_for_ever) applier_.FailAll(api::ErrLeaderChanged());
  Publish();
  events_.on_role(change);
  if (change.leader != raft::kNobody) ProposeHeld();
  WatchTransfer();
}

void RaftDriver::Publish() {
  commit_.store(core_.commit().value, std::memory_order_relaxed);
  term_.store(core_.term().value, std::memory_order_relaxed);
  leader_.store(core_.leader().value, std::memory_order_relaxed);
  metrics_.server_proposals_committed_total.Set(static_cast<double>(core_.commit().value));
}

}  // namespace regent::server
