#include "server/node/applier.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "api/contract/errors.h"
#include "api/contract/key_range.h"
#include "glog/logging.h"

namespace regent::server {

Applier::Applier(const NodeSeams& seams, const NodeOptions& options, WatchHub& hub, Purger& purger,
                 RequestMetrics& requests, SlowRequests& slow_requests, Events events)
    : loop_(seams.apply_loop),
      raft_loop_(seams.raft_loop),
      state_machine_(seams.state_machine),
      options_(options),
      metrics_(seams.metrics),
      requests_(requests),
      slow_requests_(slow_requests),
      hub_(hub),
      purger_(purger),
      events_(std::move(events)),
      work_(std::numeric_limits<size_t>::max()),  // the core bounds what is handed out
      applied_(seams.state_machine.applied().value),
      logical_bytes_(seams.state_machine.view()->logical_size()),
      proposals_(seams.apply_loop, seams.metrics, requests) {}

void Applier::Apply(std::vector<raft::Entry> entries, std::vector<Proposal> proposals) {
  Add({.entries = std::move(entries), .proposals = std::move(proposals), .fail_all = std::nullopt});
}

void Applier::FailAll(absl::Status status) { Add({.entries = {}, .proposals = {}, .fail_all = std::move(status)}); }

void Applier::Refuse(uint64_t sequence, absl::Status status) {
  Add({.entries = {}, .proposals = {}, .fail_all = std::nullopt, .refuse = std::pair(sequence, std::move(status))});
}

bool Applier::HasTakenAll() {
  if (works_taken_.load() == works_given_.load()) return true;
  taken_wanted_.store(true);
  // Taken between the look and the wish: nobody will report it.
  return works_taken_.load() == works_given_.load() && taken_wanted_.exchange(false);
}

void Applier::Add(Work work) {
  works_given_.fetch_add(1);
  if (work_.Add(work) == Mailbox<Work>::Put::kFirst) loop_.Post([this] { Run(); });
}

void Applier::Run() {
  work_.Take(taken_);
  works_taken_.fetch_add(taken_.size());
  if (taken_wanted_.exchange(false)) raft_loop_.Post([this] { events_.on_taken(); });
  for (Work& work : taken_) {
    if (!work.proposals.empty()) proposals_.Add(std::move(work.proposals));
    if (turn_.empty()) {
      turn_ = std::move(work.entries);
    } else {
      turn_.insert(turn_.end(), std::make_move_iterator(work.entries.begin()),
                   std::make_move_iterator(work.entries.end()));
    }
    if (work.refuse.has_value()) proposals_.Answer(work.refuse->first, work.refuse->second);
    if (!work.fail_all.has_value()) continue;
    ApplyTurn();
    proposals_.FailAll(*work.fail_all);
  }
  taken_.clear();
  ApplyTurn();
}

void Applier::ApplyTurn() {
  if (turn_.empty()) return;
  const std::shared_ptr<const WantedKeys> wanted = hub_.wanted();
  turns_begun_.fetch_add(1);
  const MonotonicTime start = loop_.Now();
  storage::ApplyOutcome outcome =
      state_machine_.Apply(turn_, [&wanted](std::string_view key) { return wanted->Contains(key); });
  const Duration took = loop_.Now() - start;
  const auto header = [this] {
    return api::Header{.cluster_id = options_.cluster_id,
                       .member_id = options_.member_id,
                       .revision = state_machine_.view()->revision(),
                       .raft_term = state_machine_.applied_term().value};
  };
  slow_requests_.OnTurn(turn_, outcome.answers, header, took);
  turn_.clear();

  // Before the events: who has seen the keys of a lease go, and asks for the lease, must not find it.
  if (!outcome.leases.empty()) {
    raft_loop_.Post([this, leases = outcome.leases]() mutable { events_.on_leases(std::move(leases)); });
  }
  turns_told_.fetch_add(1);
  UpdateMetrics(outcome, took);
  if (outcome.events != nullptr || outcome.compacted) hub_.Publish(outcome.events, state_machine_.view());
  // Who sees the index applied sees its members, too.
  if (outcome.members_changed) events_.on_members();
  applied_.store(state_machine_.applied().value);
  logical_bytes_.store(state_machine_.view()->logical_size(), std::memory_order_relaxed);
  if (applied_wanted_.load()) raft_loop_.Post([this] { events_.on_applied(); });
  if (outcome.alarms_changed) events_.on_alarms();
  Answer(std::move(outcome.answers), outcome.over_quota);
  if (outcome.compacted) purger_.Kick();
  RunWaiters();
}

void Applier::Replace(std::shared_ptr<storage::Engine> engine) {
  state_machine_.Replace(std::move(engine));
  hub_.Jump(state_machine_.view());
  events_.on_members();
  applied_.store(state_machine_.applied().value);
  logical_bytes_.store(state_machine_.view()->logical_size(), std::memory_order_relaxed);
  metrics_.server_proposals_applied_total.Set(static_cast<double>(state_machine_.applied().value));
  events_.on_alarms();
  purger_.Kick();
  RunWaiters();
}

void Applier::Answer(std::vector<storage::Answer> answers, bool over_quota) {
  std::vector<api::Done<api::WriteResult>> refused;
  for (storage::Answer& answer : answers) {
    if (answer.request.node != options_.member_id) continue;
    if (over_quota && absl::IsResourceExhausted(answer.result.status())) {
      if (auto done = proposals_.Take(answer.request.sequence)) refused.push_back(std::move(done));
      continue;
    }
    proposals_.Answer(answer.request.sequence, std::move(answer.result));
  }
  if (!over_quota) return;
  raft_loop_.Post([this, refused = std::move(refused)]() mutable { events_.on_over_quota(std::move(refused)); });
}

void Applier::WhenApplied(raft::Index index, Loop::Task task) {
  loop_.Post([this, index, task = std::move(task)]() mutable {
    index_waiters_.push_back({index, std::move(task)});
    RunWaiters();
  });
}

void Applier::WhenTermApplied(raft::Term term, Loop::Task task) {
  loop_.Post([this, term, task = std::move(task)]() mutable {
    term_waiters_.push_back({term, std::move(task)});
    RunWaiters();
  });
}

void Applier::RunWaiters() {
  if (index_waiters_.empty() && term_waiters_.empty()) return;
  std::vector<Loop::Task> ready;
  std::erase_if(index_waiters_, [&](Waiter<raft::Index>& waiter) {
    if (waiter.at > state_machine_.applied()) return false;
    ready.push_back(std::move(waiter.task));
    return true;
  });
  std::erase_if(term_waiters_, [&](Waiter<raft::Term>& waiter) {
    if (waiter.at > state_machine_.applied_term()) return false;
    ready.push_back(std::move(waiter.task));
    return true;
  });
  for (Loop::Task& task : ready) task();
}

// Renewals race with the end of their lease:
//   1. Apply publishes the view in which the lease and its keys are gone.
//   2. A client sees that, and asks to renew the lease.
//   3. This loop tells the raft loop, whose keeper forgets the lease.
// A renewal that overtook step 3 would be granted. So while a turn is between 1 and 3, it goes through this loop.
void Applier::BehindLeaseChanges(Loop::Task task) {
  // Begun first: a turn that is told between the two looks counts as under way, which costs a detour and no more.
  const uint64_t begun = turns_begun_.load();
  if (turns_told_.load() == begun) return raft_loop_.Post(std::move(task));
  loop_.Post([this, task = std::move(task)]() mutable { raft_loop_.Post(std::move(task)); });
}

void Applier::UpdateMetrics(const storage::ApplyOutcome& outcome, Duration took) {
  metrics_.disk_backend_commit_duration_seconds.Observe(took);
  metrics_.debugging_disk_backend_commit_write_duration_seconds.Observe(took);
  metrics_.server_proposals_applied_total.Set(static_cast<double>(state_machine_.applied().value));
  metrics_.mvcc_range_total.Increment(outcome.operations.ranges);
  metrics_.mvcc_put_total.Increment(outcome.operations.puts);
  metrics_.mvcc_delete_total.Increment(outcome.operations.deletes);
  metrics_.mvcc_txn_total.Increment(outcome.operations.txns);
  metrics_.debugging_mvcc_total_put_size_in_bytes.Add(static_cast<double>(outcome.operations.put_bytes));
  size_t commands = 0;
  for (const storage::Answer& answer : outcome.answers) commands += answer.count;
  const Duration each = took / static_cast<int64_t>(std::max<size_t>(commands, 1));
  for (const storage::Answer& answer : outcome.answers) {
    const bool success = answer.result.ok() || answer.result.status() == api::ErrCompacted();
    requests_.apply.Observe(answer.kind, success, each, answer.count);
  }
  for (const storage::LeaseChange& change : outcome.leases) {
    if (change.kind == storage::LeaseChange::Kind::kGranted) {
      metrics_.debugging_lease_granted_total.Increment();
      metrics_.debugging_lease_ttl_total.Observe(static_cast<double>(change.ttl));
    } else {
      metrics_.debugging_lease_revoked_total.Increment();
    }
  }
}

}  // namespace regent::server
