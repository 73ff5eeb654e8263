// How writes enter: from clients, and from the node itself (expired leases, the alarm of a full store).
#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include "api/contract/errors.h"
#include "glog/logging.h"
#include "server/node/node.h"
#include "storage/quota.h"

namespace regent::server {
namespace {

constexpr Duration kHandOverForRoomAgain = std::chrono::seconds(60);

}  // namespace

void Node::Propose(api::WriteRequest request, api::MonotonicTime deadline, api::Done<api::WriteResult> done) {
  if (stopping_.load(std::memory_order_relaxed)) return done(api::ErrStopped());
  // What waits for space already waits in memory; more of it is refused as what the alarm refuses.
  if (log_.waits_for_space() && storage::QuotaCost(request) > 0) return done(api::ErrNoSpace());
  if (!storage::FitsQuota(request, applier_.logical_bytes(), options_.quota_bytes)) {
    return RefuseForSpace(std::move(done));
  }
  deadline = Bounded(deadline);
  if (auto* grant = std::get_if<api::LeaseGrantRequest>(&request)) {
    grant->ttl = std::max(grant->ttl, options_.lease_ttl_min());
    if (grant->id.value == 0) return ProposeGrantWithoutId(*grant, deadline, std::move(done));
  } else if (auto* add = std::get_if<api::MemberAddRequest>(&request); add != nullptr && add->id == 0) {
    return ProposeMemberWithoutId(std::move(*add), deadline, std::move(done));
  } else if (const auto* compaction = std::get_if<api::CompactionRequest>(&request);
             compaction != nullptr && compaction->physical) {
    done = AfterPurge(compaction->revision, std::move(done));
  }
  RaftDriver::Request made = MakeRequest(std::move(request), 0, deadline, std::move(done));
  if (made.command.size() > options_.request_bytes_max) {
    request_metrics_.request.Observe(made.proposal.kind, false, seams_.raft_loop.Now() - made.proposal.begun);
    return made.proposal.done(api::ErrRequestTooLarge());
  }
  if (const absl::Status status = driver_.Propose(made); !status.ok()) {
    seams_.metrics.server_proposals_failed_total.Increment();
    made.proposal.done(status);
  }
}

void Node::Reject(api::WriteRequest request, absl::Status why, absl::AnyInvocable<void(absl::Status)> done) {
  if (stopping_.load(std::memory_order_relaxed)) return done(api::ErrStopped());
  if (storage::FitsQuota(request, applier_.logical_bytes(), options_.quota_bytes)) return done(std::move(why));
  RefuseForSpace([done = std::move(done)](absl::StatusOr<api::WriteResult> result) mutable { done(result.status()); });
}

RaftDriver::Request Node::MakeRequest(api::WriteRequest body, uint64_t leader_term, MonotonicTime deadline,
                                      api::Done<api::WriteResult> done) {
  const uint64_t sequence = next_sequence_.fetch_add(1, std::memory_order_relaxed);
  const size_t kind = body.index();
  return {.command = storage::EncodeCommand({.request = {.node = options_.member_id, .sequence = sequence},
                                             .leader_term = leader_term,
                                             .body = std::move(body)}),
          .proposal = {.sequence = sequence,
                       .deadline = deadline,
                       .kind = kind,
                       .begun = seams_.raft_loop.Now(),
                       .done = std::move(done)}};
}

// The id is drawn where the existing ones are known. (A lease that is granted meanwhile under the same id: one chance
// in 2^63, answered by apply with "lease already exists".)
void Node::ProposeGrantWithoutId(api::LeaseGrantRequest grant, MonotonicTime deadline,
                                 api::Done<api::WriteResult> done) {
  seams_.raft_loop.Post([this, grant, deadline, done = std::move(done)]() mutable {
    if (stopping_.load()) return done(api::ErrStopped());
    do {
      grant.id.value = static_cast<int64_t>(random_.Next() >> 1);
    } while (grant.id.value == 0 || keeper_.Exists(grant.id));
    driver_.ProposeHere(MakeRequest(grant, 0, deadline, std::move(done)));
    driver_.Turn();
  });
}

void Node::ProposeMemberWithoutId(api::MemberAddRequest add, MonotonicTime deadline, api::Done<api::WriteResult> done) {
  seams_.raft_loop.Post([this, add = std::move(add), deadline, done = std::move(done)]() mutable {
    if (stopping_.load()) return done(api::ErrStopped());
    do {
      add.id = random_.Next();
    } while (add.id == 0 || WasRemoved(add.id));  // (an id that another member has is refused when it is judged)
    driver_.ProposeHere(MakeRequest(std::move(add), 0, deadline, std::move(done)));
    driver_.Turn();
  });
}

// The answer of a physical compaction waits for the purge, on the apply loop.
api::Done<api::WriteResult> Node::AfterPurge(api::Revision revision, api::Done<api::WriteResult> done) {
  return [this, revision, done = std::move(done)](absl::StatusOr<api::WriteResult> result) mutable {
    if (!result.ok()) return done(std::move(result));
    purger_.AnswerWhenPurged(revision, *std::move(result), std::move(done));
  };
}

void Node::ProposeOwn(api::WriteRequest body, uint64_t leader_term, absl::AnyInvocable<void(absl::Status)> done) {
  driver_.ProposeHere(MakeRequest(std::move(body), leader_term, Bounded(MonotonicTime::max()),
                                  [this, done = std::move(done)](absl::StatusOr<api::WriteResult> result) mutable {
                                    seams_.raft_loop.Post(
                                        [done = std::move(done), status = result.status()]() mutable { done(status); });
                                  }));
  driver_.Turn();
}

// ---- the alarm of a full store -------------------------------------------------------------------------------------

// As etcd does, a write that does not fit is refused here, before the log, and raises the alarm. Those that were on
// their way when the store filled up are told by apply.
void Node::RaiseNoSpace(std::vector<api::Done<api::WriteResult>> refused) {
  std::move(refused.begin(), refused.end(), std::back_inserter(refused_));
  if (raising_no_space_) return;
  if (stopping_.load() || no_space_.load()) return AnswerRefused();
  raising_no_space_ = true;
  LOG(WARNING) << "there is no space for more data: raising the alarm NOSPACE";
  const api::AlarmRequest raise{
      .action = api::AlarmAction::kActivate, .member_id = options_.member_id, .alarm = api::AlarmType::kNoSpace};
  ProposeOwn(raise, 0, [this](const absl::Status&) {
    raising_no_space_ = false;
    AnswerRefused();
  });
}

void Node::RefuseForSpace(api::Done<api::WriteResult> done) {
  seams_.raft_loop.Post([this, done = std::move(done)]() mutable {
    std::vector<api::Done<api::WriteResult>> refused;
    refused.push_back(std::move(done));
    RaiseNoSpace(std::move(refused));
  });
}

// The disk itself is full, whatever the quota says. From now on only what frees space, and what needs next to none, is
// taken; as with the quota the operator frees space and disarms the alarm. A member that follows keeps it to itself:
// the others make a quorum without it, and an alarm would stop the writes of all. One that leads lets another one lead.
void Node::OnRoomLow() {
  LOG(WARNING) << "the disk is full, or nearly so: the space kept in reserve is in use";
  seams_.raft_loop.Post([this] {
    if (!LeaderIsElsewhere()) LeadWithoutRoom();
  });
}

// On the raft loop. Whoever takes over and has no room either hands over once more; when it comes back here soon there
// is nobody who has.
void Node::LeadWithoutRoom() {
  const MonotonicTime now = seams_.raft_loop.Now();
  const bool lately = handed_over_for_room_.has_value() && now - *handed_over_for_room_ < kHandOverForRoomAgain;
  if (driver_.Alone() || driver_.role() != raft::Role::kLeader || lately) return RaiseNoSpace({});
  handed_over_for_room_ = now;
  LOG(WARNING) << "this member leads without room on its disk: another one is to take over";
  HandOver([this] {
    if (!LeaderIsElsewhere()) RaiseNoSpace({});
  });
}

void Node::AnswerRefused() {
  for (api::Done<api::WriteResult>& done : std::exchange(refused_, {})) done(api::ErrNoSpace());
}

}  // namespace regent::server
