// All watch streams of the node: who watches what, what each has been sent, and when progress may be announced.
//
// Owner: the watch loop, except for Publish, OpenStream and wanted(), which any thread may call.
//
// A watcher is live (in the matcher) or behind (with a cursor, `next`):
//
//   Create ──start > hub's revision──▶ live ◀──────────caught up─────────┐
//      └─────start ≤ hub's revision──────────────────────────────▶ behind┘
//                                      live ──sink full, previous value unknown, batch too large──▶ behind
//
// Behind: the recent batches kept here serve it if they reach back far enough; otherwise the pool reads a slice of the
// history from the engine, encodes it, and posts it back. The watch loop never reads the engine. Watchers that want the
// same slice share one read and its bytes: ten thousand of them cost the memory of one. A stream whose sink is full is
// left alone until Drained. A cursor below the compacted revision cancels the watcher with compact_revision.
//
// What each watcher receives is in revision order, without gap or repetition, nothing below its start, and a revision's
// events are never split over two messages (the sink may, for a client that asked for fragments).
//
// Progress (etcd's rules): of one watcher, every progress interval plus up to a tenth, when it is live, its start is
// reached, and no event was sent since the last tick; on request for the whole stream (watch id -1), when all its
// watchers are live and their starts are reached, otherwise not at all. The revision is the hub's: everything up to it
// was handed to the sink before.
//
// Messages of a live watcher carry the revision of their last event, those of a catch-up the hub's.
#pragma once

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "api/service/backend.h"
#include "server/node/mutants.h"
#include "server/node/random.h"
#include "server/node/wanted_keys.h"
#include "server/node/watch_events.h"
#include "server/node/watch_matcher.h"
#include "server/node/watcher.h"
#include "server/runtime/loop.h"
#include "server/runtime/mailbox.h"
#include "server/runtime/metrics.h"
#include "storage/view.h"

namespace regent::server {

struct WatchOptions {
  Duration progress_interval = std::chrono::minutes(10);
  size_t sink_bytes_max = 2 << 20;       // a stream with more unsent bytes is not fed
  size_t message_bytes_max = 256 << 10;  // whole revisions are packed into one message up to about here
  size_t recent_events_max = 10'000;
  size_t recent_bytes_max = 16 << 20;
  size_t slice_rows_min = 64;  // rows of the event index read by one catch-up job
  size_t slice_rows_max = 10'000;
  size_t slice_bytes_max = 256 << 10;  // jobs that bring more are made smaller
  size_t kept_slices_max = 16;         // slices that the next watchers who want the same are served from
  size_t kept_bytes_max = 16 << 20;
  int catch_up_jobs_max = 1;                             // at the same time; each rests for as long as it took
  Duration wanted_delay = std::chrono::milliseconds(5);  // of the publication of a large set of wanted keys
};

class WatchHub {
 public:
  struct Publication {
    std::shared_ptr<const storage::EventBatch> batch;  // null: nothing to send
    std::shared_ptr<const storage::View> view;         // after the batch
    bool jump = false;                                 // the revisions in between were never seen here
  };

  WatchHub(Loop& loop, Loop& pool, WatchOptions options, uint64_t seed, Metrics& metrics, NodeMutants mutants);
  ~WatchHub();

  // The state of the store before the first Publish. Before anything else.
  void Start(std::shared_ptr<const storage::View> view);
  // From now on streams are served; what they asked for before was kept waiting. On the loop.
  void Serve();
  // Ends every stream. On the loop.
  void Finish(const absl::Status& status);

  // What apply did, in order.
  void Publish(std::shared_ptr<const storage::EventBatch> batch, std::shared_ptr<const storage::View> view);

  // A snapshot took the place of the store: what happened in between is read from there, as far as it is not compacted.
  void Jump(std::shared_ptr<const storage::View> view);

  std::unique_ptr<api::WatchStream> OpenStream(std::shared_ptr<api::WatchSink> sink);

  std::shared_ptr<const WantedKeys> wanted() const { return wanted_.published(); }

  api::Revision revision() const { return revision_; }

 private:
  class Handle;
  struct Slice;
  // A read of the history that waits for the pool or is under way.
  struct SliceRequest {
    WatchInterest interest;
    api::Revision from;
    size_t rows = 0;
    bool operator==(const SliceRequest&) const = default;
    template <typename H>
    friend H AbslHashValue(H hash, const SliceRequest& request) {
      return H::combine(std::move(hash), request.interest, request.from.value, request.rows);
    }
  };

  // Streams (watch_hub.cc).
  void Run(Loop::Task task);  // now, or as soon as streams are served
  void Open(uint64_t serial, std::shared_ptr<api::WatchSink> sink, std::shared_ptr<std::atomic<bool>> wants_drained);
  void Close(uint64_t serial);
  void Create(uint64_t serial, api::WatchCreate request);
  void Cancel(uint64_t serial, int64_t watch_id);
  void RequestProgress(uint64_t serial);
  void Drained(uint64_t serial);
  WatchStreamState* Find(uint64_t serial);
  void RejectCreate(WatchStreamState& stream, const std::string& reason);
  void RemoveWatcher(Watcher& watcher);
  void CancelCompacted(Watcher& watcher);
  bool MayAnnounceProgress(const Watcher& watcher) const;
  void SendControl(api::WatchSink& sink, api::WatchMessage message);  // created, canceled
  void SendProgress(api::WatchSink& sink, api::WatchMessage message);
  void SendCounted(Histogram& durations, api::WatchSink& sink, api::WatchMessage message);
  void StartProgressTimer(WatchStreamState& stream);
  void TickProgress(uint64_t serial);
  void WantedChanged();

  // Delivery to live watchers (watch_delivery.cc).
  void Add(Publication publication);
  void DeliverPublications();
  void Deliver(const std::shared_ptr<WatchEvents>& events);
  void FallBehind(api::Revision revision);
  void Gather(Watcher& watcher, WatchEvents& events, size_t position);
  void Flush(Watcher& watcher);
  void Drop(Watcher& watcher, api::Revision cursor);
  // Hands the events over in messages; false when the sink was full before the last one: `next` is then the cursor.
  // `header`: the revision of the messages; 0: of their last events.
  bool Send(Watcher& watcher, std::vector<ReadyEvent>& events, api::Revision header);
  void SendMessage(Watcher& watcher, std::vector<ReadyEvent>::iterator first, std::vector<ReadyEvent>::iterator last,
                   api::Revision header);
  bool Full(WatchStreamState& stream);
  // Counts the messages of events that were handed over since `start`, each with its share of the time.
  void CountSends(MonotonicTime start);

  // Catching up (watch_catch_up.cc).
  void BecomeLive(Watcher& watcher);
  void BecomeBehind(Watcher& watcher, api::Revision cursor);
  void CatchUp(Watcher& watcher);
  bool CatchUpFromRecent(Watcher& watcher);
  void StartJobs();
  static Slice ReadSlice(const storage::View& view, const SliceRequest& request);
  void OnSlice(const SliceRequest& request, const std::vector<uint64_t>& serials, std::shared_ptr<const Slice> slice);
  void EndJob();
  void Keep(const SliceRequest& request, std::shared_ptr<const Slice> slice);
  std::shared_ptr<const Slice> Kept(const SliceRequest& request) const;  // null: none
  void TakeSlice(Watcher& watcher, const Slice& slice);

  Loop& loop_;
  Loop& pool_;
  const WatchOptions options_;
  const NodeMutants mutants_;
  Metrics& metrics_;
  Random random_;

  Mailbox<Publication> publications_;
  std::vector<Publication> taken_;  // memory of DeliverPublications
  WantedKeysPublisher wanted_;
  std::atomic<uint64_t> last_stream_serial_{0};

  bool serving_ = false;
  bool finished_ = false;
  std::vector<Loop::Task> waiting_;            // until streams are served
  api::Revision revision_;                     // everything up to it has been delivered to live watchers
  std::shared_ptr<const storage::View> view_;  // at revision_
  RecentEvents recent_;
  WatchMatcher matcher_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<WatchStreamState>> streams_;
  absl::flat_hash_map<uint64_t, Watcher*> watchers_;  // by serial
  uint64_t last_watcher_serial_ = 0;
  std::deque<SliceRequest> catch_up_queue_;
  absl::flat_hash_map<SliceRequest, std::vector<uint64_t>> catch_up_watchers_;     // of what is in the queue, by serial
  std::deque<std::pair<SliceRequest, std::shared_ptr<const Slice>>> kept_slices_;  // the newest ones
  size_t kept_bytes_ = 0;
  int jobs_running_ = 0;
  uint64_t sent_messages_ = 0;     // since the last CountSends
  uint64_t sent_events_ = 0;       // likewise
  std::vector<Watcher*> touched_;  // during a delivery: with gathered events
  std::vector<Watcher*> dropped_;  // during a delivery: to become behind
  bool wanted_timer_ = false;
};

}  // namespace regent::server
