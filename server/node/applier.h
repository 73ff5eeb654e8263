// Runs the state machine: takes committed entries in turns, and gives each consequence to whoever waits for it.
//
// Of one turn, in this order:
//   1. one Apply of everything that has gathered: one batch in the store, one new view;
//   2. the events go to the watch hub, lease changes to the raft loop. Both are there before any caller is answered: a
//      client that creates a watch, or renews its lease, after an answer finds them;
//   3. the applied index is published;
//   4. the callers are answered, from this loop.
//
// Owner: the apply loop. Apply, FailAll and the When functions may be called from any thread, applied() too.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "server/node/node_options.h"
#include "server/node/proposals.h"
#include "server/node/purger.h"
#include "server/node/slow_requests.h"
#include "server/node/watch_hub.h"
#include "server/runtime/mailbox.h"

namespace regent::server {

class Applier {
 public:
  struct Events {  // on the raft loop, but on_alarms and on_members on the apply loop: before anybody hears of it
    std::function<void(std::vector<storage::LeaseChange>)> on_leases;
    std::function<void()> on_alarms;
    std::function<void()> on_members;
    // Requests that were applied over the quota: whoever asked hears ErrNoSpace, but not before the alarm is on.
    std::function<void(std::vector<api::Done<api::WriteResult>>)> on_over_quota;
    std::function<void()> on_applied;  // only while WantApplied
    std::function<void()> on_taken;    // once after WantTaken
  };

  Applier(const NodeSeams& seams, const NodeOptions& options, WatchHub& hub, Purger& purger, RequestMetrics& requests,
          SlowRequests& slow_requests, Events events);

  // `proposals`: made since the last call, not only those of `entries`.
  void Apply(std::vector<raft::Entry> entries, std::vector<Proposal> proposals);
  // After everything given to Apply before: the proposal with this sequence was certainly not made.
  void Refuse(uint64_t sequence, absl::Status status);
  // After everything given to Apply before: whoever still waits is told `status`.
  void FailAll(absl::Status status);

  // On the apply loop, behind everything given to Apply before: a snapshot takes the place of the store.
  void Replace(std::shared_ptr<storage::Engine> engine);

  // Run on the apply loop, as soon as it is so.
  void WhenApplied(raft::Index index, Loop::Task task);
  void WhenTermApplied(raft::Term term, Loop::Task task);

  // On the raft loop, behind every change of leases that the caller can have seen the effect of.
  void BehindLeaseChanges(Loop::Task task);

  raft::Index applied() const { return {applied_.load()}; }
  // As View::logical_size, after the last turn. From any thread.
  int64_t logical_bytes() const { return logical_bytes_.load(std::memory_order_relaxed); }
  // The raft loop wants to hear of the next progress. It reads applied() again after asking.
  void WantApplied(bool wanted) { applied_wanted_.store(wanted); }

  // Has the apply loop begun with everything given to Apply so far? False, and on_taken later, for the raft loop alone.
  bool HasTakenAll();

 private:
  struct Work {
    std::vector<raft::Entry> entries;
    std::vector<Proposal> proposals;
    std::optional<absl::Status> fail_all;
    std::optional<std::pair<uint64_t, absl::Status>> refuse = std::nullopt;
  };
  template <typename Number>
  struct Waiter {
    Number at;
    Loop::Task task;
  };

  void Add(Work work);
  void Run();
  void ApplyTurn();
  void Answer(std::vector<storage::Answer> answers, bool over_quota);
  void RunWaiters();
  void UpdateMetrics(const storage::ApplyOutcome& outcome, Duration took);

  Loop& loop_;
  Loop& raft_loop_;
  storage::StateMachine& state_machine_;
  const NodeOptions& options_;
  Metrics& metrics_;
  RequestMetrics& requests_;
  SlowRequests& slow_requests_;
  WatchHub& hub_;
  Purger& purger_;
  const Events events_;

  Mailbox<Work> work_;
  std::atomic<uint64_t> applied_;
  std::atomic<int64_t> logical_bytes_;
  std::atomic<bool> applied_wanted_{false};
  std::atomic<uint64_t> works_given_{0}, works_taken_{0};
  std::atomic<uint64_t> turns_begun_{0}, turns_told_{0};  // told: the raft loop will hear what happened to leases
  std::atomic<bool> taken_wanted_{false};

  // Of the apply loop.
  std::vector<Work> taken_;
  std::vector<raft::Entry> turn_;
  Proposals proposals_;
  std::vector<Waiter<raft::Index>> index_waiters_;
  std::vector<Waiter<raft::Term>> term_waiters_;
};

}  // namespace regent::server
