#include "server/node/watch_hub.h"

#include <limits>
#include <utility>

#include "api/contract/errors.h"
#include "api/contract/key_range.h"
#include "glog/logging.h"

namespace regent::server {
namespace {

constexpr size_t kPublishWantedAtOnceMax = 256;

}  // namespace

// The node's side of a stream: every function is a task on the watch loop.
class WatchHub::Handle final : public api::WatchStream {
 public:
  Handle(WatchHub& hub, uint64_t serial, std::shared_ptr<std::atomic<bool>> wants_drained)
      : hub_(hub), serial_(serial), wants_drained_(std::move(wants_drained)) {}
  ~Handle() override {
    hub_.loop_.Post([&hub = hub_, serial = serial_] { hub.Run([&hub, serial] { hub.Close(serial); }); });
  }

  void Create(api::WatchCreate request) override {
    hub_.loop_.Post([&hub = hub_, serial = serial_, request = std::move(request)]() mutable {
      hub.Run([&hub, serial, request = std::move(request)]() mutable { hub.Create(serial, std::move(request)); });
    });
  }
  void Cancel(int64_t watch_id) override {
    hub_.loop_.Post([&hub = hub_, serial = serial_, watch_id] {
      hub.Run([&hub, serial, watch_id] { hub.Cancel(serial, watch_id); });
    });
  }
  void RequestProgress() override {
    hub_.loop_.Post([&hub = hub_, serial = serial_] { hub.Run([&hub, serial] { hub.RequestProgress(serial); }); });
  }
  void Drained() override {
    if (!wants_drained_->exchange(false)) return;
    hub_.loop_.Post([&hub = hub_, serial = serial_] { hub.Drained(serial); });
  }

 private:
  WatchHub& hub_;
  const uint64_t serial_;
  const std::shared_ptr<std::atomic<bool>> wants_drained_;
};

WatchHub::WatchHub(Loop& loop, Loop& pool, WatchOptions options, uint64_t seed, Metrics& metrics, NodeMutants mutants)
    : loop_(loop),
      pool_(pool),
      options_(options),
      mutants_(mutants),
      metrics_(metrics),
      random_(seed),
      publications_(std::numeric_limits<size_t>::max()),
      recent_(options.recent_events_max, options.recent_bytes_max) {}

WatchHub::~WatchHub() = default;

void WatchHub::Start(std::shared_ptr<const storage::View> view) {
  revision_ = view->revision();
  view_ = std::move(view);
}

void WatchHub::Serve() {
  serving_ = true;
  std::vector<Loop::Task> waiting = std::move(waiting_);
  waiting_.clear();
  for (Loop::Task& task : waiting) task();
}

void WatchHub::Finish(const absl::Status& status) {
  finished_ = true;
  waiting_.clear();
  for (auto& [serial, stream] : streams_) stream->sink->Finish(status);
  while (!streams_.empty()) Close(streams_.begin()->first);
  // The store may go before the hub.
  view_ = nullptr;
}

void WatchHub::Run(Loop::Task task) {
  if (finished_) return;
  if (serving_) return task();
  waiting_.push_back(std::move(task));
}

std::unique_ptr<api::WatchStream> WatchHub::OpenStream(std::shared_ptr<api::WatchSink> sink) {
  const uint64_t serial = last_stream_serial_.fetch_add(1, std::memory_order_relaxed) + 1;
  auto wants_drained = std::make_shared<std::atomic<bool>>(false);
  loop_.Post([this, serial, sink = std::move(sink), wants_drained]() mutable {
    Open(serial, std::move(sink), std::move(wants_drained));
  });
  return std::make_unique<Handle>(*this, serial, std::move(wants_drained));
}

void WatchHub::Open(uint64_t serial, std::shared_ptr<api::WatchSink> sink,
                    std::shared_ptr<std::atomic<bool>> wants_drained) {
  if (finished_) return sink->Finish(api::ErrStopped());
  auto stream = std::make_unique<WatchStreamState>();
  stream->serial = serial;
  stream->sink = std::move(sink);
  stream->wants_drained = std::move(wants_drained);
  streams_.emplace(serial, std::move(stream));
  metrics_.debugging_mvcc_watch_stream_total.Add(1);
}

void WatchHub::Close(uint64_t serial) {
  WatchStreamState* stream = Find(serial);
  if (stream == nullptr) return;
  while (!stream->watchers.empty()) RemoveWatcher(*stream->watchers.begin()->second);
  if (stream->progress_timer != Loop::TimerId::kNone) loop_.Cancel(stream->progress_timer);
  streams_.erase(serial);
  metrics_.debugging_mvcc_watch_stream_total.Add(-1);
}

WatchStreamState* WatchHub::Find(uint64_t serial) {
  const auto found = streams_.find(serial);
  return found == streams_.end() ? nullptr : found->second.get();
}

void WatchHub::Create(uint64_t serial, api::WatchCreate request) {
  WatchStreamState* stream = Find(serial);
  if (stream == nullptr) return;
  if (request.key.empty()) request.key.assign(1, '\0');
  if (request.start_revision.value < 0) return RejectCreate(*stream, std::string(api::ErrCompacted().message()));
  if (api::RangeIsEmpty(request.key, request.range_end)) return RejectCreate(*stream, api::kCancelEmptyWatchRange);
  if (request.watch_id == 0) {
    while (stream->watchers.contains(stream->next_id)) ++stream->next_id;
    request.watch_id = stream->next_id++;
  } else if (stream->watchers.contains(request.watch_id)) {
    return RejectCreate(*stream, api::kCancelDuplicateWatchId);
  }

  auto owned = std::make_unique<Watcher>();
  Watcher& watcher = *owned;
  watcher.serial = ++last_watcher_serial_;
  watcher.stream = stream;
  watcher.id = request.watch_id;
  watcher.interest = {.key = std::move(request.key),
                      .range_end = std::move(request.range_end),
                      .prev_kv = request.prev_kv,
                      .no_put = request.no_put,
                      .no_delete = request.no_delete};
  watcher.fragment = request.fragment;
  watcher.progress_notify = request.progress_notify;
  watcher.start = request.start_revision;
  watcher.slice_rows = options_.slice_rows_min;
  stream->watchers.emplace(watcher.id, std::move(owned));
  watchers_.emplace(watcher.serial, &watcher);
  metrics_.debugging_mvcc_watcher_total.Add(1);
  metrics_.debugging_mvcc_slow_watcher_total.Add(1);
  wanted_.Add(watcher.interest);
  WantedChanged();
  if (watcher.progress_notify) StartProgressTimer(*stream);

  SendControl(*stream->sink, {.watch_id = watcher.id, .revision = revision_, .created = true});
  if (watcher.start.value > revision_.value || watcher.start.value == 0) {
    watcher.next = watcher.start.value == 0 ? api::Revision{revision_.value + 1} : watcher.start;
    return BecomeLive(watcher);
  }
  watcher.next = watcher.start;
  if (mutants_.repeat_revision_on_resume && watcher.next > view_->compacted()) --watcher.next.value;
  if (watcher.next < view_->compacted()) return CancelCompacted(watcher);
  CatchUp(watcher);
}

void WatchHub::RejectCreate(WatchStreamState& stream, const std::string& reason) {
  SendControl(*stream.sink,
              {.watch_id = -1, .revision = revision_, .created = true, .canceled = true, .cancel_reason = reason});
}

void WatchHub::Cancel(uint64_t serial, int64_t watch_id) {
  WatchStreamState* stream = Find(serial);
  if (stream == nullptr) return;
  const auto found = stream->watchers.find(watch_id);
  if (found == stream->watchers.end()) return;
  RemoveWatcher(*found->second);
  SendControl(*stream->sink, {.watch_id = watch_id, .revision = revision_, .canceled = true});
}

void WatchHub::CancelCompacted(Watcher& watcher) {
  WatchStreamState& stream = *watcher.stream;
  const int64_t id = watcher.id;
  RemoveWatcher(watcher);
  SendControl(*stream.sink, {.watch_id = id, .canceled = true, .compact_revision = view_->compacted()});
}

// A catch-up job under way finds nobody by the serial when it comes back.
void WatchHub::RemoveWatcher(Watcher& watcher) {
  if (watcher.place == Watcher::Place::kLive) {
    matcher_.Remove(watcher);
  } else if (!mutants_.leak_watchers_behind) {
    metrics_.debugging_mvcc_slow_watcher_total.Add(-1);
  }
  wanted_.Remove(watcher.interest);
  WantedChanged();
  watchers_.erase(watcher.serial);
  metrics_.debugging_mvcc_watcher_total.Add(-1);
  watcher.stream->watchers.erase(watcher.id);
}

void WatchHub::SendControl(api::WatchSink& sink, api::WatchMessage message) {
  SendCounted(metrics_.debugging_server_watch_send_loop_control_stream_duration_seconds, sink, std::move(message));
}

void WatchHub::SendProgress(api::WatchSink& sink, api::WatchMessage message) {
  SendCounted(metrics_.debugging_server_watch_send_loop_progress_duration_seconds, sink, std::move(message));
}

void WatchHub::SendCounted(Histogram& durations, api::WatchSink& sink, api::WatchMessage message) {
  const MonotonicTime start = loop_.Now();
  sink.Send(std::move(message));
  durations.Observe(loop_.Now() - start);
}

// ---- progress ------------------------------------------------------------------------------------------------------

bool WatchHub::MayAnnounceProgress(const Watcher& watcher) const {
  if (mutants_.progress_ahead_of_events) return true;
  if (mutants_.no_progress_when_idle && watcher.quiet) return false;
  return watcher.place == Watcher::Place::kLive && watcher.start <= revision_;
}

void WatchHub::RequestProgress(uint64_t serial) {
  WatchStreamState* stream = Find(serial);
  if (stream == nullptr || stream->watchers.empty()) return;
  for (const auto& [id, watcher] : stream->watchers) {
    if (!MayAnnounceProgress(*watcher)) return;
  }
  SendProgress(*stream->sink, {.watch_id = -1, .revision = revision_});
}

void WatchHub::StartProgressTimer(WatchStreamState& stream) {
  if (stream.progress_timer != Loop::TimerId::kNone || options_.progress_interval <= Duration::zero()) return;
  const auto jitter = Duration(random_.Next() % static_cast<uint64_t>(options_.progress_interval.count() / 10 + 1));
  stream.progress_timer =
      loop_.PostAfter(options_.progress_interval + jitter, [this, serial = stream.serial] { TickProgress(serial); });
}

void WatchHub::TickProgress(uint64_t serial) {
  WatchStreamState* stream = Find(serial);
  if (stream == nullptr) return;
  stream->progress_timer = Loop::TimerId::kNone;
  bool wanted = false;
  for (const auto& [id, watcher] : stream->watchers) {
    if (!watcher->progress_notify) continue;
    wanted = true;
    if (watcher->quiet && MayAnnounceProgress(*watcher)) {
      SendProgress(*stream->sink, {.watch_id = id, .revision = revision_});
    }
    watcher->quiet = true;
  }
  if (wanted) StartProgressTimer(*stream);
}

// A small set is published at once, a large one after a moment, so that ten thousand watchers created one after the
// other do not copy it ten thousand times.
void WatchHub::WantedChanged() {
  if (!wanted_.changed()) return;
  if (wanted_.size() <= kPublishWantedAtOnceMax) return wanted_.Publish();
  if (std::exchange(wanted_timer_, true)) return;
  loop_.PostAfter(options_.wanted_delay, [this] {
    wanted_timer_ = false;
    if (wanted_.changed()) wanted_.Publish();
  });
}

}  // namespace regent::server
