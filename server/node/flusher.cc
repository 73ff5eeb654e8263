#include "server/node/flusher.h"

#include <utility>

#include "glog/logging.h"

namespace regent::server {

Flusher::Flusher(const NodeSeams& seams, const NodeOptions& options, LogDriver& log)
    : loop_(seams.apply_loop),
      background_(seams.background),
      state_machine_(seams.state_machine),
      options_(options),
      log_(log) {}

void Flusher::Start() {
  persisted_since_ = loop_.Now();
  CheckLater();
}

void Flusher::CheckLater() {
  loop_.PostAfter(options_.flush_check_interval, [this] {
    if (!stopped_) Check();
  });
}

void Flusher::Check() {
  if (!Handle(state_machine_.PersistedApplied())) return;
  const bool all = persisted_ == state_machine_.applied();
  if (all) persisted_since_ = loop_.Now();
  const uint64_t unflushed = state_machine_.applied().value - persisted_.value;
  const bool many = options_.flush_entries_max > 0 && unflushed > options_.flush_entries_max;
  const bool late = loop_.Now() - persisted_since_ >= options_.flush_interval;
  if (all || (!many && !late)) return CheckLater();
  background_.Post([this] {
    loop_.Post([this, persisted = state_machine_.Flush()] {
      if (!stopped_ && Handle(persisted)) CheckLater();
    });
  });
}

void Flusher::FlushNow() { Handle(state_machine_.Flush()); }

bool Flusher::Handle(const absl::StatusOr<raft::Index>& persisted) {
  if (absl::IsResourceExhausted(persisted.status())) {
    LOG_IF(WARNING, !std::exchange(waits_for_space_, true)) << "the store is not flushed: " << persisted.status();
    return true;
  }
  waits_for_space_ = false;
  if (!persisted.ok()) {
    options_.on_fatal("the store cannot be flushed: " + persisted.status().ToString());
    return false;
  }
  if (*persisted <= persisted_) return true;
  persisted_ = *persisted;
  persisted_since_ = loop_.Now();
  const bool alone = state_machine_.Members().size() <= 1;
  log_.Release(options_.mutants.release_unflushed_log ? state_machine_.applied() : persisted_,
               alone ? 0 : options_.log_entries_kept);
  return true;
}

}  // namespace regent::server
