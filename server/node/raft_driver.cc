#include "server/node/raft_driver.h"

#include <algorithm>
#include <utility>

#include "api/contract/errors.h"
#include "glog/logging.h"
#include "raft/quorum.h"

namespace regent::server {
namespace {

raft::CoreOptions CoreOptionsOf(const NodeOptions& options) {
  raft::CoreOptions core = options.raft;
  core.heartbeat_ticks = 1;
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
      intake_(options.proposals_waiting_max),
      core_(std::move(start), CoreOptionsOf(options)) {
  Publish();
}

void RaftDriver::Start() {
  Turn();
  loop_.PostAfter(options_.heartbeat_interval, [this] { Tick(); });
}

bool RaftDriver::SoleVoter() const { return raft::IsSoleVoter(core_.configuration(), core_.id()); }

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
    held_.push_back(std::move(request));
    return;
  }
  const raft::ProposeResult result = core_.Propose(raft::Bytes(std::move(request.command)));
  if (std::holds_alternative<raft::Proposed>(result)) {
    fresh_.push_back(std::move(request.proposal));
    return;
  }
  metrics_.server_proposals_failed_total.Increment();
  request.proposal.done(api::ErrTooManyRequests());
}

bool RaftDriver::ReadIndex(raft::ReadId id) {
  const bool asked = core_.ReadIndex(id);
  if (asked) Turn();
  return asked;
}

void RaftDriver::OnPersisted(raft::StepId step) {
  step_since_.reset();
  if (!after_persist_.empty()) transport_.Send(std::exchange(after_persist_, {}));
  core_.Persisted(step);
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

void RaftDriver::Tick() {
  loop_.PostAfter(options_.heartbeat_interval, [this] { Tick(); });
  core_.Tick();
  if (step_since_.has_value() && log_.waits_for_space()) step_since_ = loop_.Now();
  if (step_since_.has_value() && loop_.Now() - *step_since_ >= options_.disk_stall_max) {
    step_since_.reset();
    options_.on_fatal("the disk of the log has not answered for too long");
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
  if (!fresh_.empty()) applier_.Apply({}, std::exchange(fresh_, {}));
}

// ---- outputs -------------------------------------------------------------------------------------------------------

void RaftDriver::Turn() {
  if (std::exchange(in_turn_, true)) return;  // an output led to an input: the running turn sees it
  ReportApplied();
  while (core_.HasOutput()) {
    Handle(core_.TakeOutput());
    ReportApplied();
  }
  Publish();
  in_turn_ = false;
}

// In the order that output.h prescribes.
void RaftDriver::Handle(raft::Output output) {
  CHECK(!output.install.has_value() && output.snapshots.empty()) << "snapshots are not there yet";
  if (!output.send.empty()) transport_.Send(std::move(output.send));
  if (output.step.has_value()) {
    after_persist_ = std::move(output.send_after_persist);
    step_since_ = loop_.Now();
    log_.Write(*output.step, output.hard_state, std::move(output.append));
  }
  for (const raft::LogFetch& fetch : output.fetch) log_.Fetch(fetch);
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
  const raft::Index applied = applier_.applied();
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
  applier_.FailAll(api::ErrLeaderChanged());
  Publish();
  events_.on_role(change);
  if (change.role == raft::Role::kLeader) {
    for (Request& request : std::exchange(held_, {})) ProposeHere(std::move(request));
  }
}

void RaftDriver::Publish() {
  commit_.store(core_.commit().value, std::memory_order_relaxed);
  term_.store(core_.term().value, std::memory_order_relaxed);
  leader_.store(core_.leader().value, std::memory_order_relaxed);
  metrics_.server_proposals_committed_total.Set(static_cast<double>(core_.commit().value));
}

}  // namespace regent::server
