#include "server/node/applier.h"

#include <iterator>
#include <limits>
#include <utility>

#include "api/contract/key_range.h"
#include "glog/logging.h"

namespace regent::server {

Applier::Applier(const NodeSeams& seams, const NodeOptions& options, WatchHub& hub, Purger& purger, Events events)
    : loop_(seams.apply_loop),
      raft_loop_(seams.raft_loop),
      state_machine_(seams.state_machine),
      options_(options),
      metrics_(seams.metrics),
      hub_(hub),
      purger_(purger),
      events_(std::move(events)),
      work_(std::numeric_limits<size_t>::max()),  // the core bounds what is handed out
      applied_(seams.state_machine.applied().value),
      proposals_(seams.apply_loop, seams.metrics) {}

void Applier::Apply(std::vector<raft::Entry> entries, std::vector<Proposal> proposals) {
  Add({.entries = std::move(entries), .proposals = std::move(proposals), .fail_all = std::nullopt});
}

void Applier::FailAll(absl::Status status) { Add({.entries = {}, .proposals = {}, .fail_all = std::move(status)}); }

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
  const MonotonicTime start = loop_.Now();
  storage::ApplyOutcome outcome =
      state_machine_.Apply(turn_, [&wanted](std::string_view key) { return wanted->Contains(key); });
  metrics_.disk_backend_commit_duration_seconds.Observe(loop_.Now() - start);
  turn_.clear();
  UpdateMetrics(outcome);

  // Before the events: who has seen the keys of a lease go, and asks for the lease, must not find it.
  if (!outcome.leases.empty()) {
    raft_loop_.Post([this, leases = std::move(outcome.leases)]() mutable { events_.on_leases(std::move(leases)); });
  }
  if (outcome.events != nullptr || outcome.compacted) hub_.Publish(outcome.events, state_machine_.view());
  applied_.store(state_machine_.applied().value);
  if (applied_wanted_.load()) raft_loop_.Post([this] { events_.on_applied(); });
  Answer(std::move(outcome.answers));
  if (outcome.over_quota) raft_loop_.Post([this] { events_.on_over_quota(); });
  if (outcome.compacted) purger_.Kick();
  RunWaiters();
}

void Applier::Answer(std::vector<storage::Answer> answers) {
  for (storage::Answer& answer : answers) {
    if (answer.request.node == options_.member_id) proposals_.Answer(answer.request.sequence, std::move(answer.result));
  }
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

void Applier::UpdateMetrics(const storage::ApplyOutcome& outcome) {
  metrics_.server_proposals_applied_total.Set(static_cast<double>(state_machine_.applied().value));
  if (outcome.events != nullptr) {
    uint64_t puts = 0;
    for (const storage::Event& event : outcome.events->events) puts += event.type == storage::Event::Type::kPut ? 1 : 0;
    metrics_.mvcc_put_total.Increment(puts);
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
