// One watcher and one stream as the hub keeps them. Plain data of the watch loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/contract/key_range.h"
#include "api/contract/types.h"
#include "api/service/backend.h"
#include "server/runtime/loop.h"
#include "storage/events.h"

namespace regent::server {

// An event ready to be sent: encoded, shared by all watchers that get it.
struct ReadyEvent {
  api::Revision revision;
  api::SharedBytes bytes;
};

struct WatchStreamState;

// What a watcher asks for. Immutable, copied into catch-up jobs.
struct WatchInterest {
  std::string key;        // never empty
  std::string range_end;  // as the wire says it
  bool prev_kv = false;
  bool no_put = false;
  bool no_delete = false;

  bool operator==(const WatchInterest&) const = default;
  template <typename H>
  friend H AbslHashValue(H hash, const WatchInterest& interest) {
    return H::combine(std::move(hash), interest.key, interest.range_end, interest.prev_kv, interest.no_put,
                      interest.no_delete);
  }

  bool Wants(const storage::Event& event) const {
    const bool put = event.type == storage::Event::Type::kPut;
    return put ? !no_put : !no_delete;
  }
  bool Covers(std::string_view candidate) const { return api::RangeContains(key, range_end, candidate); }
};

struct Watcher {
  // kLive: in the matcher; everything up to the hub's revision (and from `next` on) has been handed to the sink.
  // kBehind: everything below `next` has been; the rest is read from the history.
  enum class Place : uint8_t { kLive, kBehind };

  uint64_t serial = 0;  // unique in the life of the hub
  WatchStreamState* stream = nullptr;
  int64_t id = 0;
  WatchInterest interest;
  bool fragment = false;
  bool progress_notify = false;
  api::Revision start;  // as asked for; 0: from now

  Place place = Place::kBehind;
  api::Revision next;     // no event below it is sent (any more)
  bool queued = false;    // waits for a catch-up job
  bool reading = false;   // a catch-up job is under way
  bool quiet = true;      // no event since the last tick of the progress timer
  bool dropping = false;  // falls behind at the end of this delivery; its events are not gathered any more
  size_t slice_rows = 0;  // how much of the event index the next job reads

  std::vector<ReadyEvent> gathered;  // during a delivery
  size_t gathered_bytes = 0;

  size_t slot = 0;  // of the matcher
};

struct WatchStreamState {
  uint64_t serial = 0;
  std::shared_ptr<api::WatchSink> sink;
  std::map<int64_t, std::unique_ptr<Watcher>> watchers;  // by id
  int64_t next_id = 0;
  Loop::TimerId progress_timer = Loop::TimerId::kNone;
  // Set while watchers wait for the sink to empty; read by the engine's threads, so that a drained sink costs nothing.
  std::shared_ptr<std::atomic<bool>> wants_drained = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace regent::server
