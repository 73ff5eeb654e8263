#include "server/node/leader_questions.h"

#include <utility>

#include "api/contract/errors.h"

namespace regent::server {
namespace {

constexpr size_t kWaitingMax = 100'000;

absl::Status StatusOf(LeaseAnswer::Outcome outcome) {
  switch (outcome) {
    case LeaseAnswer::Outcome::kDone:
      return absl::OkStatus();
    case LeaseAnswer::Outcome::kNotLeader:
      return api::ErrLeaderChanged();
    case LeaseAnswer::Outcome::kTimeout:
      return api::ErrTimeout();
    case LeaseAnswer::Outcome::kStopped:
      return api::ErrStopped();
  }
  return api::ErrLeaderChanged();
}

}  // namespace

void LeaderQuestions::Ask(raft::NodeId leader, LeaseQuestion::Kind kind, api::LeaseId lease, MonotonicTime deadline,
                          Answered answered) {
  if (waiting_.size() >= kWaitingMax) return answered(api::ErrTooManyRequests());
  const uint64_t number = ++last_number_;
  if (!transport_.Tell(leader, LeaseQuestion{.number = number, .kind = kind, .lease = lease})) {
    return answered(api::ErrLeaderChanged());
  }
  waiting_.emplace(number, Waiting{deadline, std::move(answered)});
}

void LeaderQuestions::OnAnswer(LeaseAnswer answer) {
  auto found = waiting_.extract(answer.number);
  if (found.empty()) return;
  const absl::Status status = StatusOf(answer.outcome);
  if (!status.ok()) return found.mapped().answered(status);
  found.mapped().answered(std::move(answer));
}

void LeaderQuestions::Tick() {
  const MonotonicTime now = loop_.Now();
  for (auto waiting = waiting_.begin(); waiting != waiting_.end();) {
    if (waiting->second.deadline > now) {
      ++waiting;
      continue;
    }
    auto late = waiting_.extract(waiting++);
    late.mapped().answered(api::ErrTimeout());
  }
}

void LeaderQuestions::FailAll(const absl::Status& status) {
  for (auto& [number, waiting] : std::exchange(waiting_, {})) waiting.answered(status);
}

}  // namespace regent::server
