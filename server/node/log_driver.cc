#include "server/node/log_driver.h"

#include <algorithm>
#include <utility>

#include "glog/logging.h"

namespace regent::server {
namespace {

constexpr Duration kTryAgain = std::chrono::seconds(1);

}  // namespace

LogDriver::LogDriver(const NodeSeams& seams, const NodeOptions& options, Events events)
    : loop_(seams.log_loop),
      raft_loop_(seams.raft_loop),
      log_(seams.log),
      reserve_(seams.reserve),
      options_(options),
      events_(std::move(events)) {}

void LogDriver::Write(raft::StepId step, std::optional<raft::HardState> hard_state, std::vector<raft::Entry> entries) {
  if (options_.mutants.acknowledge_before_persisted) raft_loop_.Post([this, step] { events_.on_persisted(step); });
  loop_.Post([this, step, hard_state, entries = std::move(entries)]() mutable {
    WriteNow(step, hard_state, std::move(entries));
  });
}

void LogDriver::WriteNow(raft::StepId step, std::optional<raft::HardState> hard_state,
                         std::vector<raft::Entry> entries) {
  if (fenced_) return;
  ++writes_;
  absl::Status status = hard_state.has_value() ? log_.SaveHardState(*hard_state) : absl::OkStatus();
  if (status.ok() && !entries.empty()) status = log_.Append(entries);
  if (absl::IsResourceExhausted(status)) {
    LOG_IF(WARNING, !waits_for_space_.exchange(true)) << "the disk of the log is full, writes wait: " << status;
    loop_.PostAfter(kTryAgain, [this, step, hard_state, entries = std::move(entries)]() mutable {
      WriteNow(step, hard_state, std::move(entries));
    });
    return;
  }
  if (!options_.mutants.acknowledge_after_failed_write && !Check(status)) return;
  waits_for_space_.store(false);
  WatchRoom();
  if (!options_.mutants.acknowledge_before_persisted) raft_loop_.Post([this, step] { events_.on_persisted(step); });
  prepare_wanted_ = true;
  StartIdleTimer();
}

void LogDriver::Reset(std::optional<raft::HardState> hard_state, raft::Index base, raft::Term base_term,
                      Loop::Task done) {
  loop_.Post([this, hard_state, base, base_term, done = std::move(done)]() mutable {
    if (fenced_) return;
    const absl::Status status = ResetNow(hard_state, base, base_term);
    if (Check(status)) return done();
    if (fenced_) return;
    // A full disk: nothing has happened.
    loop_.PostAfter(kTryAgain, [this, hard_state, base, base_term, done = std::move(done)]() mutable {
      Reset(hard_state, base, base_term, std::move(done));
    });
  });
}

absl::Status LogDriver::ResetNow(const std::optional<raft::HardState>& hard_state, raft::Index base,
                                 raft::Term base_term) {
  if (hard_state.has_value()) {
    if (absl::Status saved = log_.SaveHardState(*hard_state); !saved.ok()) return saved;
  }
  return log_.Reset(base, base_term);
}

void LogDriver::Fetch(raft::LogFetch fetch) {
  loop_.Post([this, fetch] { FetchNow(fetch); });
}

void LogDriver::FetchNow(const raft::LogFetch& fetch) {
  if (fenced_) return;
  absl::StatusOr<std::vector<raft::Entry>> entries = log_.Read(fetch.from, fetch.bytes_max);
  raft::FetchResult result = raft::Released{};
  if (entries.ok()) {
    result = *std::move(entries);
  } else if (!absl::IsNotFound(entries.status())) {
    Check(entries.status());
    return;
  }
  raft_loop_.Post(
      [this, fetch, result = std::move(result)]() mutable { events_.on_fetched(fetch, std::move(result)); });
}

void LogDriver::Release(raft::Index through, uint64_t entries_kept) {
  loop_.Post([this, through, entries_kept] {
    const uint64_t bytes = log_.bytes_on_disk();
    const uint64_t keep = bytes > options_.log_kept_bytes_max ? 0 : entries_kept;
    const bool no_room = room_low_ || bytes > options_.log_held_bytes_max;
    const uint64_t held = no_room ? kNothingHeld : held_above_.load();
    const uint64_t release = std::min(through.value - std::min(through.value, keep), held);
    if (!fenced_ && release > 0) Check(log_.Release({release}));
  });
}

void LogDriver::Close(Loop::Task done) {
  loop_.Post([this, done = std::move(done)]() mutable {
    if (!fenced_ && log_.MarkWanted()) Check(log_.WriteMark());
    done();
  });
}

// One timer at a time: it looks whether anything was written since it was started.
void LogDriver::StartIdleTimer() {
  if (std::exchange(idle_timer_, true)) return;
  writes_at_timer_ = writes_;
  loop_.PostAfter(options_.log_idle, [this] {
    idle_timer_ = false;
    if (writes_ == writes_at_timer_) return OnIdle();
    // Busy: the future is still prepared, a step now and then.
    Prepare();
    StartIdleTimer();
  });
}

void LogDriver::OnIdle() {
  if (fenced_) return;
  if (log_.MarkWanted() && !Check(log_.WriteMark())) return;
  Prepare();
  if (prepare_wanted_) StartIdleTimer();
}

void LogDriver::Prepare() {
  if (fenced_ || !prepare_wanted_ || room_low_) return;
  const absl::StatusOr<bool> more = log_.Prepare();
  if (Check(more.status())) prepare_wanted_ = *more;
}

void LogDriver::WatchRoom() {
  if (reserve_ == nullptr || !reserve_->space_is_low() || room_low_) return;
  room_low_ = true;
  events_.on_room_low();
  TakeRoomBackLater();
}

void LogDriver::TakeRoomBackLater() {
  loop_.PostAfter(kTryAgain, [this] {
    if (fenced_) return;
    if (!reserve_->Hold().ok()) return TakeRoomBackLater();
    LOG(INFO) << "the disk has room again, the reserve is held";
    room_low_ = false;
    StartIdleTimer();
  });
}

// A full disk is no fault: what was asked for did not happen and is asked for again later.
bool LogDriver::Check(const absl::Status& status) {
  if (status.ok()) return true;
  if (absl::IsResourceExhausted(status)) return false;
  fenced_ = true;
  LOG(ERROR) << "the log failed, the node stops: " << status;
  options_.on_fatal("the log failed: " + status.ToString());
  return false;
}

}  // namespace regent::server
