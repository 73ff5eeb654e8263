// How a watcher that is behind becomes live again.
//
// Story of a watcher that catches up under load:
//   1. The hub is at 900; the watcher's cursor is 100. A job reads [100, …] from the view at 900, in slices.
//   2. A slice comes back with next = 901; meanwhile the hub is at 907.
//   3. The recent batches reach back to 800: events 901 to 907 come from there, on the watch loop, without another
//   read;
//      the watcher enters the matcher at 907, and the next delivery begins at 908.
#include <algorithm>
#include <utility>

#include "api/contract/errors.h"
#include "glog/logging.h"
#include "server/node/watch_hub.h"

namespace regent::server {

// What a job read, filtered and encoded on the pool.
struct WatchHub::Slice {
  absl::Status status;
  std::vector<ReadyEvent> events;
  size_t bytes = 0;
  api::Revision next;
  Duration took{};
};

void WatchHub::BecomeLive(Watcher& watcher) {
  CHECK(watcher.place == Watcher::Place::kBehind && watcher.next > revision_)
      << "watcher " << watcher.serial << " next " << watcher.next.value << " hub " << revision_.value;
  watcher.place = Watcher::Place::kLive;
  watcher.slice_rows = options_.slice_rows_min;
  matcher_.Add(watcher);
  metrics_.debugging_mvcc_slow_watcher_total.Add(-1);
}

void WatchHub::BecomeBehind(Watcher& watcher, api::Revision cursor) {
  CHECK(watcher.place == Watcher::Place::kLive) << "watcher " << watcher.serial;
  matcher_.Remove(watcher);
  watcher.place = Watcher::Place::kBehind;
  watcher.next = cursor;
  metrics_.debugging_mvcc_slow_watcher_total.Add(1);
  CatchUp(watcher);
}

// The next step of a watcher that is behind, whatever it is. May remove the watcher.
void WatchHub::CatchUp(Watcher& watcher) {
  if (watcher.reading || watcher.queued) return;
  if (watcher.next > revision_) return BecomeLive(watcher);
  if (Full(*watcher.stream)) return;  // Drained comes back here
  if (CatchUpFromRecent(watcher)) return;
  if (mutants_.skip_compacted_events) watcher.next = std::max(watcher.next, view_->compacted());
  if (watcher.next < view_->compacted()) return CancelCompacted(watcher);
  SliceRequest request{.interest = watcher.interest, .from = watcher.next, .rows = watcher.slice_rows};
  if (mutants_.private_event_copies) request.rows += watcher.serial;
  if (const std::shared_ptr<const Slice> kept = Kept(request)) return TakeSlice(watcher, *kept);
  watcher.queued = true;
  std::vector<uint64_t>& watchers = catch_up_watchers_[request];
  watchers.push_back(watcher.serial);
  if (watchers.size() == 1) catch_up_queue_.push_back(std::move(request));
  StartJobs();
}

// True when nothing is left to do now: live, or stopped by a full sink.
bool WatchHub::CatchUpFromRecent(Watcher& watcher) {
  if (!recent_.Cover(watcher.next)) return false;
  std::vector<ReadyEvent> events;
  if (!recent_.Collect(watcher.interest, watcher.next, view_->compacted(), events)) return false;
  if (mutants_.private_event_copies) {
    for (ReadyEvent& event : events) event.bytes = std::make_shared<const std::string>(*event.bytes);
  }
  const MonotonicTime start = loop_.Now();
  const bool all = Send(watcher, events, revision_);
  CountSends(start);
  if (!all) return true;
  watcher.next = api::Revision{revision_.value + 1};
  BecomeLive(watcher);
  return true;
}

void WatchHub::StartJobs() {
  while (jobs_running_ < options_.catch_up_jobs_max && !catch_up_queue_.empty()) {
    SliceRequest request = std::move(catch_up_queue_.front());
    catch_up_queue_.pop_front();
    std::vector<uint64_t> serials = std::move(catch_up_watchers_.extract(request).mapped());
    std::erase_if(serials, [this](uint64_t serial) { return !watchers_.contains(serial); });
    if (serials.empty()) continue;
    for (const uint64_t serial : serials) {
      watchers_.at(serial)->queued = false;
      watchers_.at(serial)->reading = true;
    }
    ++jobs_running_;
    pool_.Post([this, view = view_, request = std::move(request), serials = std::move(serials)]() mutable {
      const MonotonicTime start = pool_.Now();
      auto slice = std::make_shared<Slice>(ReadSlice(*view, request));
      slice->took = pool_.Now() - start;
      view = nullptr;
      loop_.Post([this, request = std::move(request), serials = std::move(serials), slice = std::move(slice)] {
        OnSlice(request, serials, slice);
      });
    });
  }
}

WatchHub::Slice WatchHub::ReadSlice(const storage::View& view, const SliceRequest& request) {
  const WatchInterest& interest = request.interest;
  Slice slice;
  absl::StatusOr<storage::EventSlice> read =
      view.Events(interest.key, interest.range_end, request.from, interest.prev_kv, request.rows);
  if (!read.ok()) {
    slice.status = read.status();
    return slice;
  }
  slice.next = read->next;
  if (read->events == nullptr) return slice;
  for (const storage::Event& event : read->events->events) {
    if (!interest.Wants(event)) continue;
    slice.events.push_back({event.revision, EncodeEvent(event, interest.prev_kv)});
    slice.bytes += slice.events.back().bytes->size();
  }
  return slice;
}

void WatchHub::OnSlice(const SliceRequest& request, const std::vector<uint64_t>& serials,
                       std::shared_ptr<const Slice> slice) {
  if (slice->status.ok()) Keep(request, slice);
  for (const uint64_t serial : serials) {
    if (const auto found = watchers_.find(serial); found != watchers_.end()) TakeSlice(*found->second, *slice);
  }
  if (slice->took == Duration::zero()) return EndJob();
  loop_.PostAfter(slice->took, [this] { EndJob(); });  // who writes comes in between
}

void WatchHub::EndJob() {
  --jobs_running_;
  StartJobs();
}

// History does not change: a slice stays right, though there may be more by now behind one that ended at the newest
// revision. Whoever wants what is compacted meanwhile is cancelled before he looks here.
void WatchHub::Keep(const SliceRequest& request, std::shared_ptr<const Slice> slice) {
  kept_bytes_ += slice->bytes;
  kept_slices_.emplace_back(request, std::move(slice));
  while (kept_slices_.size() > options_.kept_slices_max || kept_bytes_ > options_.kept_bytes_max) {
    kept_bytes_ -= kept_slices_.front().second->bytes;
    kept_slices_.pop_front();
  }
}

std::shared_ptr<const WatchHub::Slice> WatchHub::Kept(const SliceRequest& request) const {
  for (const auto& [kept, slice] : kept_slices_) {
    if (kept == request) return slice;
  }
  return nullptr;
}

// The events are shared with the other watchers that wanted them. May remove the watcher.
void WatchHub::TakeSlice(Watcher& watcher, const Slice& slice) {
  watcher.reading = false;
  if (slice.status == api::ErrCompacted()) return CancelCompacted(watcher);
  CHECK(slice.status.ok()) << slice.status;
  CHECK_GT(slice.next.value, watcher.next.value) << "a catch-up read made no way";
  if (slice.bytes > options_.slice_bytes_max) {
    watcher.slice_rows = std::max(options_.slice_rows_min, watcher.slice_rows / 2);
  } else if (slice.bytes < options_.slice_bytes_max / 4) {
    watcher.slice_rows = std::min(options_.slice_rows_max, watcher.slice_rows * 2);
  }
  std::vector<ReadyEvent> events = slice.events;
  const MonotonicTime start = loop_.Now();
  if (Send(watcher, events, revision_)) watcher.next = slice.next;
  CountSends(start);
  CatchUp(watcher);
}

// Watchers of the stream that wait for room go on, the one that is most behind is not preferred.
void WatchHub::Drained(uint64_t serial) {
  WatchStreamState* stream = Find(serial);
  if (stream == nullptr) return;
  std::vector<uint64_t> behind;
  for (const auto& [id, watcher] : stream->watchers) {
    if (watcher->place == Watcher::Place::kBehind) behind.push_back(watcher->serial);
  }
  for (const uint64_t waiting : behind) {
    if (const auto found = watchers_.find(waiting); found != watchers_.end()) CatchUp(*found->second);
  }
}

}  // namespace regent::server
