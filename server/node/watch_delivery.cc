// The hub's delivery of new events to live watchers.
//
// One delivery covers everything that apply has published meanwhile: each watcher gathers its events and gets them in
// one message. Story of a watcher that must fall behind in the middle of it:
//   1. Batches 7-9 and 10-12 are taken; watcher w gathers events 8 and 11.
//   2. At flush its sink is full. Everything before 8 was sent in earlier deliveries, nothing of this one.
//   3. It becomes behind with cursor 8; the catch-up reads 8 and 11 again.
#include <algorithm>
#include <utility>

#include "glog/logging.h"
#include "server/node/watch_hub.h"

namespace regent::server {

void WatchHub::Publish(std::shared_ptr<const storage::EventBatch> batch, std::shared_ptr<const storage::View> view) {
  Add({.batch = std::move(batch), .view = std::move(view)});
}

void WatchHub::Jump(std::shared_ptr<const storage::View> view) {
  Add({.batch = nullptr, .view = std::move(view), .jump = true});
}

void WatchHub::Add(Publication publication) {
  if (publications_.Add(publication) == Mailbox<Publication>::Put::kFirst) {
    loop_.Post([this] { DeliverPublications(); });
  }
}

void WatchHub::DeliverPublications() {
  publications_.Take(taken_);
  if (finished_) return taken_.clear();
  const MonotonicTime start = loop_.Now();
  for (const Publication& publication : taken_) {
    if (publication.batch != nullptr) Deliver(std::make_shared<WatchEvents>(publication.batch));
    if (publication.jump) FallBehind(publication.view->revision());
  }
  if (!taken_.empty()) view_ = std::move(taken_.back().view);
  CHECK_EQ(view_->revision().value, revision_.value) << "the events and the view of apply do not agree";
  taken_.clear();

  for (Watcher* watcher : touched_) {
    if (!watcher->dropping) Flush(*watcher);
  }
  touched_.clear();
  CountSends(start);
  // The matcher's order of keys is chance.
  std::sort(dropped_.begin(), dropped_.end(), [](const Watcher* a, const Watcher* b) { return a->serial < b->serial; });
  for (Watcher* watcher : dropped_) {
    watcher->dropping = false;
    watcher->gathered.clear();
    watcher->gathered_bytes = 0;
    BecomeBehind(*watcher, watcher->next);
  }
  dropped_.clear();
  StartJobs();
}

// Every watcher goes on where it was, behind: nothing it has missed is kept here.
void WatchHub::FallBehind(api::Revision revision) {
  if (revision <= revision_) return;
  const api::Revision next{revision_.value + 1};
  if (!mutants_.snapshot_skips_events) {
    const bool forget = mutants_.snapshot_forgets_starts;
    matcher_.ForEach([&](Watcher& watcher) { Drop(watcher, forget ? next : std::max(next, watcher.next)); });
  }
  recent_.Clear();
  revision_ = revision;
}

void WatchHub::Deliver(const std::shared_ptr<WatchEvents>& events) {
  const storage::EventBatch& batch = events->batch();
  if (batch.last <= revision_) return;  // replayed after a restart
  CHECK_LE(batch.first.value, revision_.value + 1) << "a gap in the events of apply";
  if (batch.too_large) {
    matcher_.ForEach([&](Watcher& watcher) { Drop(watcher, std::max(batch.first, watcher.next)); });
  } else {
    for (size_t i = 0; i < batch.events.size(); ++i) {
      matcher_.Match(batch.events[i].key, [&](Watcher& watcher) { Gather(watcher, *events, i); });
    }
  }
  recent_.Add(events);
  revision_ = batch.last;
}

void WatchHub::Gather(Watcher& watcher, WatchEvents& events, size_t position) {
  const storage::Event& event = events.batch().events[position];
  if (watcher.dropping || event.revision < watcher.next || !watcher.interest.Wants(event)) return;
  if (watcher.interest.prev_kv && !WatchEvents::PreviousKnown(event)) return Drop(watcher, event.revision);
  const bool new_revision = watcher.gathered.empty() || watcher.gathered.back().revision < event.revision;
  if (new_revision && watcher.gathered_bytes >= options_.message_bytes_max) {
    Flush(watcher);
    if (watcher.dropping) return;
  }
  const api::SharedBytes& bytes = events.Encoded(position, watcher.interest.prev_kv);
  if (watcher.gathered.empty()) touched_.push_back(&watcher);
  watcher.gathered.push_back({event.revision, bytes});
  watcher.gathered_bytes += bytes->size();
}

void WatchHub::Flush(Watcher& watcher) {
  if (watcher.gathered.empty()) return;
  if (!Send(watcher, watcher.gathered, api::Revision{})) Drop(watcher, watcher.next);
  watcher.gathered.clear();
  watcher.gathered_bytes = 0;
}

// The watcher stays in the matcher until the delivery is over. Its cursor is the first event gathered and not sent.
void WatchHub::Drop(Watcher& watcher, api::Revision cursor) {
  if (watcher.dropping) return;
  watcher.dropping = true;
  watcher.next = watcher.gathered.empty() ? cursor : std::min(cursor, watcher.gathered.front().revision);
  if (mutants_.skip_event_when_falling_behind) ++watcher.next.value;
  dropped_.push_back(&watcher);
}

bool WatchHub::Full(WatchStreamState& stream) {
  if (stream.sink->unsent_bytes() <= options_.sink_bytes_max) return false;
  // From now on the sink says when it has drained; it may have drained just before.
  stream.wants_drained->store(true);
  return stream.sink->unsent_bytes() > options_.sink_bytes_max;
}

bool WatchHub::Send(Watcher& watcher, std::vector<ReadyEvent>& events, api::Revision header) {
  auto first = events.begin();
  while (first != events.end()) {
    if (Full(*watcher.stream)) {
      watcher.next = first->revision;
      events.erase(events.begin(), first);
      return false;
    }
    size_t bytes = 0;
    auto last = first;
    while (last != events.end()) {
      const bool whole_revisions = last == first || std::prev(last)->revision < last->revision;
      if (whole_revisions && bytes >= options_.message_bytes_max) break;
      bytes += last->bytes->size();
      ++last;
    }
    SendMessage(watcher, first, last, header.value == 0 ? std::prev(last)->revision : header);
    first = last;
  }
  return true;
}

void WatchHub::SendMessage(Watcher& watcher, std::vector<ReadyEvent>::iterator first,
                           std::vector<ReadyEvent>::iterator last, api::Revision header) {
  watcher.quiet = false;
  ++sent_messages_;
  sent_events_ += static_cast<uint64_t>(last - first);
  api::WatchMessage message{.watch_id = watcher.id, .revision = header, .fragment = watcher.fragment};
  message.events.reserve(static_cast<size_t>(last - first));
  for (; first != last; ++first) message.events.push_back(std::move(first->bytes));
  watcher.stream->sink->Send(std::move(message));
}

void WatchHub::CountSends(MonotonicTime start) {
  const uint64_t messages = std::exchange(sent_messages_, 0);
  const uint64_t events = std::exchange(sent_events_, 0);
  if (messages == 0) return;
  const Duration took = loop_.Now() - start;
  metrics_.debugging_mvcc_events_total.Increment(events);
  metrics_.debugging_server_watch_send_loop_watch_stream_duration_seconds.Observe(took / messages, messages);
  metrics_.debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds.Observe(took / events, messages);
}

}  // namespace regent::server
