// HashKV off the loops that serve: one job at a time on the background pool, so that the purge and the watches that are
// behind keep the other threads; further ones wait in the order asked, a bounded number of them.
//
// Owner: the apply loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>

#include "api/service/backend.h"
#include "server/node/node_options.h"
#include "storage/state_machine.h"

namespace regent::server {

class HashJobs {
 public:
  static constexpr size_t kWaitingMax = 64;  // then ErrTooManyRequests

  explicit HashJobs(const NodeSeams& seams);

  // `done` is called on the pool, or here when the job is refused. `revision` 0: the current one when the job begins.
  void Add(int64_t revision, api::Done<api::HashKvResult> done);

  // Ends the job under way soon; it and those that wait get ErrStopped.
  void Stop();

 private:
  struct Job {
    int64_t revision = 0;
    api::Done<api::HashKvResult> done;
  };

  void StartNext();
  absl::StatusOr<api::HashKvResult> Run(int64_t revision) const;  // on the pool

  Loop& loop_;
  Loop& background_;
  const storage::StateMachine& state_machine_;
  Metrics& metrics_;
  std::deque<Job> waiting_;
  bool running_ = false;
  std::atomic<bool> stopped_{false};
};

}  // namespace regent::server
