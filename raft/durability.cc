#include "raft/durability.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "raft/check.h"

namespace regent::raft {
namespace {

// While the disk stands still, messages gather. More than these are dropped, as the network might.
constexpr size_t kWaitingMax = 4096;

}  // namespace

void Durability::EnterTerm(Term term) {
  RAFT_CHECK(term > current_.term, term.value, current_.term.value);
  current_ = {.term = term, .vote = kNobody};
  waiting_.clear();
}

void Durability::Vote(NodeId candidate) { current_.vote = candidate; }

void Durability::Overwritten(Index first) {
  const Index kept{first.value - 1};
  stable_ = std::min(stable_, kept);
  if (step_) step_->unchanged_through = std::min(step_->unchanged_through, kept);
}

void Durability::SendWhenDurable(Message message, Index through) {
  // Acknowledgements to one leader are cumulative: the newest says it all.
  if (!waiting_.empty() && waiting_.back().message.to == message.to) {
    auto* earlier = std::get_if<AppendAccepted>(&waiting_.back().message.body);
    const auto* later = std::get_if<AppendAccepted>(&message.body);
    if (earlier != nullptr && later != nullptr) {
      earlier->match = std::max(earlier->match, later->match);
      waiting_.back().through = std::max(waiting_.back().through, through);
      return;
    }
  }
  if (waiting_.size() < kWaitingMax) waiting_.push_back({std::move(message), through});
}

void Durability::TakeInto(Output& output, const Log& log, uint64_t step_bytes_max) {
  if (HardStateDurable()) MoveReady(output.send, stable_);
  if (step_) return;
  if (wanted_) return StartInstall(output);
  if (HardStateDurable() && stable_ == log.last_index()) {
    RAFT_CHECK(waiting_.empty(), waiting_.size(), stable_.value);
    return;
  }
  last_step_.value++;
  step_ = Step{.id = last_step_, .hard_state = current_};
  output.step = last_step_;
  if (!HardStateDurable()) output.hard_state = current_;
  if (stable_ < log.last_index()) {
    output.append = log.Slice(Index{stable_.value + 1}, log.last_index(), step_bytes_max);
    step_->last = output.append.back().index;
    step_->last_term = output.append.back().term;
    step_->unchanged_through = step_->last;
  }
  MoveReady(output.send_after_persist, std::max(stable_, step_->last));
}

void Durability::WantInstall(SnapshotToInstall snapshot) {
  RAFT_CHECK(!InstallPending(), snapshot.index.value);
  wanted_ = std::move(snapshot);
}

void Durability::StartInstall(Output& output) {
  last_step_.value++;
  step_ = Step{.id = last_step_, .hard_state = current_, .install = *wanted_};
  output.step = last_step_;
  if (!HardStateDurable()) output.hard_state = current_;
  output.install = std::move(*std::exchange(wanted_, std::nullopt));
  MoveReady(output.send_after_persist, stable_);
  waiting_.clear();
}

SnapshotToInstall Durability::Installed(StepId id) {
  RAFT_CHECK(step_ && step_->id == id && step_->install, id.value, last_step_.value);
  const Step step = *std::exchange(step_, std::nullopt);
  durable_ = step.hard_state;
  stable_ = step.install->index;
  return *step.install;
}

void Durability::InstallFailed(StepId id) {
  RAFT_CHECK(step_ && step_->id == id && step_->install, id.value, last_step_.value);
  durable_ = std::exchange(step_, std::nullopt)->hard_state;
}

void Durability::Persisted(StepId id, const Log& log, const CoreMutants& mutants) {
  RAFT_CHECK(step_ && step_->id == id && !step_->install, id.value, last_step_.value);
  const Step step = *std::exchange(step_, std::nullopt);
  durable_ = step.hard_state;
  if (step.last == Index{}) return;
  const bool still_there = log.TermAt(step.last) == step.last_term || mutants.persisted_without_term_check;
  stable_ = std::max(stable_, std::min(still_there ? step.last : step.unchanged_through, log.last_index()));
}

void Durability::MoveReady(std::vector<Message>& to, Index durable_through) {
  auto kept = waiting_.begin();
  for (Waiting& waiting : waiting_) {
    if (waiting.through <= durable_through) {
      to.push_back(std::move(waiting.message));
    } else {
      *kept++ = std::move(waiting);
    }
  }
  waiting_.erase(kept, waiting_.end());
}

}  // namespace regent::raft
