// A client of one watch stream and its checker: every message is compared with the truth when it arrives.
//
//   * the events of a watcher are exactly those of its range, from its start on, in order, with the right bytes, and no
//     revision is split;
//   * a progress notification of revision R comes when everything up to R has been delivered, to all watchers of the
//     stream or to the one it names, and never to a watcher that starts above R;
//   * a watcher is cancelled as compacted only when it wants something below the compacted revision;
//   * when everything is quiet, nothing is missing, and whoever asks for progress hears of it within a second.
//
// After a power loss the client opens a new stream and resumes every watcher behind what it has received, as etcd's
// client does.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "server/node/node.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/truth.h"

namespace regent::sim {

struct WatchCounters {
  uint64_t created = 0, cancelled = 0, compacted = 0, resumed = 0, events = 0, previous = 0, catch_ups = 0;
  uint64_t progress_asked = 0, progress_answered = 0, progress_periodic = 0, full = 0;
  uint64_t from_compacted = 0;
};

class WatchClient {
 public:
  WatchClient(Loop& loop, uint64_t seed, size_t sink_bytes_max, Truth& truth, Verdict& verdict,
              WatchCounters& counters);
  ~WatchClient();

  // The node came up: opens the stream and resumes the watchers.
  void Connect(server::Node& node);
  // The node is gone, and what it had not delivered.
  void Disconnect();
  bool connected() const { return stream_ != nullptr; }

  // One random action.
  void Act();
  // REQUIRES: connected and quiet.
  void CheckComplete();
  void AskForProgress();
  void CheckProgress();

 private:
  class Sink;
  struct Watcher {
    server::WatchInterest interest;
    bool progress_notify = false;
    int64_t start = 0;    // as asked for; 0: from now
    int64_t next = 0;     // nothing below it is wanted; 0: until the created message says
    size_t position = 0;  // in the truth's events, nothing wanted before it
    bool created = false;
  };

  void CreateRandom();
  void SendCreate(int64_t id, Watcher& watcher);
  void Handle(const api::WatchMessage& message);
  void HandleEvents(Watcher& watcher, const api::WatchMessage& message);
  std::string WhatCame(const Watcher& watcher, const std::string& bytes) const;
  void HandleProgress(Watcher& watcher, int64_t revision);
  // The next event that the watcher wants; null: none yet.
  const storage::Event* NextWanted(Watcher& watcher) const;
  bool SameBytes(const storage::Event& event, const Watcher& watcher, const std::string& bytes);
  std::string RandomKey();

  Loop& loop_;
  std::mt19937_64 random_;
  const size_t sink_bytes_max_;
  Truth& truth_;
  Verdict& verdict_;
  WatchCounters& counters_;
  std::shared_ptr<Sink> sink_;
  std::unique_ptr<api::WatchStream> stream_;
  std::map<int64_t, Watcher> watchers_;
  int64_t last_id_ = 0;
  bool progress_due_ = false;
};

}  // namespace regent::sim
