// Batches of events as the watch loop handles them: encoded at most once in each of the two forms (with and without the
// previous value), and remembered for a while, so that a watcher that is almost up to date needs no read of the engine.
#pragma once

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "server/node/watcher.h"
#include "storage/events.h"

namespace regent::server {

// A batch and its encoded forms. Owner: the watch loop.
class WatchEvents {
 public:
  explicit WatchEvents(std::shared_ptr<const storage::EventBatch> batch)
      : batch_(std::move(batch)), encoded_(batch_->events.size()) {}

  const storage::EventBatch& batch() const { return *batch_; }
  size_t size_bytes() const;

  // The event can be sent to a watcher that wants the previous value: it is here, or there is none.
  static bool PreviousKnown(const storage::Event& event) { return event.previous_known || event.created; }

  const api::SharedBytes& Encoded(size_t position, bool prev_kv);

 private:
  struct Forms {
    api::SharedBytes plain, with_previous;
  };
  std::shared_ptr<const storage::EventBatch> batch_;
  std::vector<Forms> encoded_;
};

api::SharedBytes EncodeEvent(const storage::Event& event, bool prev_kv);

// The newest batches, without a gap up to the hub's revision.
class RecentEvents {
 public:
  RecentEvents(size_t events_max, size_t bytes_max) : events_max_(events_max), bytes_max_(bytes_max) {}

  void Add(std::shared_ptr<WatchEvents> events);

  void Clear() { batches_.clear(), events_ = bytes_ = 0; }

  // True when nothing at or above `from` is missing.
  bool Cover(api::Revision from) const;

  // Appends what `interest` wants from revision `from` on. As in etcd, and as when it is read from the store, the
  // previous value is left out when the revision before the event's is compacted. False, and `into` is of no use, when
  // a previous value is wanted and not known.
  bool Collect(const WatchInterest& interest, api::Revision from, api::Revision compacted,
               std::vector<ReadyEvent>& into) const;

 private:
  const size_t events_max_;
  const size_t bytes_max_;
  std::deque<std::shared_ptr<WatchEvents>> batches_;
  size_t events_ = 0;
  size_t bytes_ = 0;
};

}  // namespace regent::server
