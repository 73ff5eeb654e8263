#include "server/node/purger.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace regent::server {
namespace {

double Milliseconds(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

}  // namespace

Purger::Purger(const NodeSeams& seams, const NodeOptions& options)
    : loop_(seams.apply_loop),
      background_(seams.background),
      state_machine_(seams.state_machine),
      options_(options),
      metrics_(seams.metrics) {}

void Purger::Kick() {
  if (stopped_) return;
  if (running_) {
    again_ = true;
    return;
  }
  running_ = true;
  Plan();
}

void Purger::AnswerWhenPurged(api::Revision revision, api::WriteResult result, api::Done<api::WriteResult> done) {
  waiters_.push_back({revision, std::move(result), std::move(done)});
  Kick();
}

void Purger::Plan() {
  again_ = false;
  background_.Post([this, view = state_machine_.view()]() mutable {
    const api::Revision compacted = view->compacted();
    std::optional<storage::PurgePlan> plan = state_machine_.PlanPurge(*view, options_.purge_events_max);
    view = nullptr;
    loop_.Post([this, compacted, plan = std::move(plan)] { Run(plan, compacted); });
  });
}

void Purger::Run(const std::optional<storage::PurgePlan>& plan, api::Revision compacted) {
  if (stopped_) return;
  if (plan.has_value()) {
    const MonotonicTime start = loop_.Now();
    if (!begun_.has_value()) begun_ = start;
    state_machine_.RunPurge(*plan);
    const Duration took = loop_.Now() - start;
    metrics_.debugging_mvcc_db_compaction_pause_duration_milliseconds.Observe(Milliseconds(took));
    metrics_.debugging_mvcc_db_compaction_keys_total.Increment(plan->rows.size());
    loop_.PostAfter(std::max(took, waiters_.empty() ? options_.purge_pause : Duration::zero()), [this] {
      if (!stopped_) Plan();
    });
    return;
  }
  if (begun_.has_value()) {
    metrics_.debugging_mvcc_db_compaction_total_duration_milliseconds.Observe(Milliseconds(loop_.Now() - *begun_));
    begun_.reset();
    if (options_.unix_seconds) metrics_.debugging_mvcc_db_compaction_last.Set(std::floor(options_.unix_seconds()));
  }
  AnswerThrough(compacted);
  if (again_ || !waiters_.empty()) return Plan();
  running_ = false;
}

void Purger::AnswerThrough(api::Revision purged) {
  std::vector<Waiter> waiters = std::exchange(waiters_, {});
  for (Waiter& waiter : waiters) {
    if (waiter.revision <= purged) {
      waiter.done(std::move(waiter.result));
    } else {
      waiters_.push_back(std::move(waiter));
    }
  }
}

void Purger::Stop(const absl::Status& status) {
  stopped_ = true;
  for (Waiter& waiter : std::exchange(waiters_, {})) waiter.done(status);
}

}  // namespace regent::server
