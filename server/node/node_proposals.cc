// How writes enter: from clients, and from the node itself (expired leases, the alarm of a full store).
#include <algorithm>
#include <utility>
#include <variant>

#include "api/contract/errors.h"
#include "glog/logging.h"
#include "server/node/node.h"

namespace regent::server {

void Node::Propose(api::WriteRequest request, api::MonotonicTime deadline, api::Done<api::WriteResult> done) {
  if (stopping_.load(std::memory_order_relaxed)) return done(api::ErrStopped());
  CountWrite(request);
  deadline = Bounded(deadline);
  if (auto* grant = std::get_if<api::LeaseGrantRequest>(&request)) {
    grant->ttl = std::max(grant->ttl, options_.lease_ttl_min());
    if (grant->id.value == 0) return ProposeGrantWithoutId(*grant, deadline, std::move(done));
  } else if (const auto* compaction = std::get_if<api::CompactionRequest>(&request);
             compaction != nullptr && compaction->physical) {
    done = AfterPurge(compaction->revision, std::move(done));
  }
  RaftDriver::Request made = MakeRequest(std::move(request), 0, deadline, std::move(done));
  if (made.command.size() > options_.request_bytes_max) return made.proposal.done(api::ErrRequestTooLarge());
  if (const absl::Status status = driver_.Propose(made); !status.ok()) {
    seams_.metrics.server_proposals_failed_total.Increment();
    made.proposal.done(status);
  }
}

RaftDriver::Request Node::MakeRequest(api::WriteRequest body, uint64_t leader_term, MonotonicTime deadline,
                                      api::Done<api::WriteResult> done) {
  const uint64_t sequence = next_sequence_.fetch_add(1, std::memory_order_relaxed);
  return {.command = storage::EncodeCommand({.request = {.node = options_.member_id, .sequence = sequence},
                                             .leader_term = leader_term,
                                             .body = std::move(body)}),
          .proposal = {.sequence = sequence, .deadline = deadline, .done = std::move(done)}};
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

// The answer of a physical compaction waits for the purge, on the apply loop.
api::Done<api::WriteResult> Node::AfterPurge(api::Revision revision, api::Done<api::WriteResult> done) {
  return [this, revision, done = std::move(done)](absl::StatusOr<api::WriteResult> result) mutable {
    if (!result.ok()) return done(std::move(result));
    purger_.AnswerWhenPurged(revision, *std::move(result), std::move(done));
  };
}

void Node::ProposeRevokes(raft::Term term, const std::vector<api::LeaseId>& ids) {
  for (const api::LeaseId id : ids) {
    driver_.ProposeHere(MakeRequest(api::LeaseRevokeRequest{.id = id}, term.value, Bounded(MonotonicTime::max()),
                                    [this, id](absl::StatusOr<api::WriteResult> result) {
                                      if (result.ok()) return;  // the keeper hears of it from apply
                                      seams_.raft_loop.Post([this, id] { keeper_.RevokeFailed(id); });
                                    }));
  }
  driver_.Turn();
}

void Node::RaiseNoSpace() {
  if (stopping_.load() || raising_no_space_.exchange(true)) return;
  LOG(WARNING) << "the store is over its quota: raising the alarm NOSPACE";
  driver_.ProposeHere(MakeRequest(
      api::AlarmRequest{
          .action = api::AlarmAction::kActivate, .member_id = options_.member_id, .alarm = api::AlarmType::kNoSpace},
      0, Bounded(MonotonicTime::max()),
      [this](const absl::StatusOr<api::WriteResult>&) { raising_no_space_.store(false); }));
  driver_.Turn();
}

void Node::CountWrite(const api::WriteRequest& request) {
  if (std::holds_alternative<api::DeleteRangeRequest>(request)) seams_.metrics.mvcc_delete_total.Increment();
  if (std::holds_alternative<api::TxnRequest>(request)) seams_.metrics.mvcc_txn_total.Increment();
}

}  // namespace regent::server
