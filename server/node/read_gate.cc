#include "server/node/read_gate.h"

#include <iterator>
#include <utility>

#include "api/contract/errors.h"

namespace regent::server {
namespace {

constexpr size_t kReadsMax = 100'000;
constexpr Duration kAskAgain = std::chrono::milliseconds(500);

}  // namespace

ReadGate::ReadGate(const NodeSeams& seams, Applier& applier, std::function<bool(raft::ReadId)> ask)
    : loop_(seams.raft_loop),
      background_(seams.background),
      applier_(applier),
      metrics_(seams.metrics),
      ask_(std::move(ask)),
      arrived_(kReadsMax) {}

void ReadGate::Wait(MonotonicTime deadline, Ready ready) {
  if (local()) return ready(absl::OkStatus());
  Waiting waiting{deadline, std::move(ready)};
  switch (arrived_.Add(waiting)) {
    case Mailbox<Waiting>::Put::kFirst:
      return loop_.Post([this] { TakeArrived(); });
    case Mailbox<Waiting>::Put::kMore:
      return;
    case Mailbox<Waiting>::Put::kFull:
      return waiting.ready(api::ErrTooManyRequests());
    case Mailbox<Waiting>::Put::kClosed:
      return waiting.ready(api::ErrStopped());
  }
}

void ReadGate::TakeArrived() {
  std::vector<Waiting> reads;
  arrived_.Take(reads);
  Ask(std::move(reads));
}

// The core may answer inside `ask_`, so the batch is entered before.
void ReadGate::Ask(std::vector<Waiting> reads) {
  if (reads.empty()) return;
  const raft::ReadId id{++last_id_};
  asked_.emplace(id, Batch{loop_.Now(), std::move(reads)});
  if (ask_(id)) return;
  auto refused = asked_.extract(id);
  std::vector<Waiting>& back = refused.mapped().reads;
  unasked_.insert(unasked_.end(), std::make_move_iterator(back.begin()), std::make_move_iterator(back.end()));
}

void ReadGate::OnRead(raft::Read read) {
  auto found = asked_.extract(read.id);
  if (found.empty()) return;
  applier_.WhenApplied(read.index, [this, reads = std::move(found.mapped().reads)]() mutable {
    Finish(std::move(reads), absl::OkStatus());
  });
}

void ReadGate::OnReadFailed(raft::ReadId id) {
  auto found = asked_.extract(id);
  if (found.empty()) return;
  metrics_.server_read_indexes_failed_total.Increment();
  Finish(std::move(found.mapped().reads), api::ErrLeaderChanged());
}

void ReadGate::Finish(std::vector<Waiting> reads, const absl::Status& status) {
  background_.Post([reads = std::move(reads), status]() mutable {
    for (Waiting& read : reads) read.ready(status);
  });
}

void ReadGate::Tick() {
  const MonotonicTime now = loop_.Now();
  std::vector<Waiting> again = std::exchange(unasked_, {});
  for (auto batch = asked_.begin(); batch != asked_.end();) {
    if (now - batch->second.asked < kAskAgain) {
      ++batch;
      continue;
    }
    metrics_.server_slow_read_indexes_total.Increment();
    std::vector<Waiting>& late = batch->second.reads;
    again.insert(again.end(), std::make_move_iterator(late.begin()), std::make_move_iterator(late.end()));
    batch = asked_.erase(batch);
  }
  DropExpired(again);
  Ask(std::move(again));
}

void ReadGate::DropExpired(std::vector<Waiting>& reads) {
  std::vector<Waiting> expired;
  std::erase_if(reads, [&](Waiting& read) {
    if (read.deadline > loop_.Now()) return false;
    expired.push_back(std::move(read));
    return true;
  });
  if (!expired.empty()) Finish(std::move(expired), api::ErrTimeout());
}

void ReadGate::FailAll(const absl::Status& status) {
  TakeArrived();
  Finish(std::exchange(unasked_, {}), status);
  for (auto& [id, batch] : std::exchange(asked_, {})) Finish(std::move(batch.reads), status);
}

}  // namespace regent::server
