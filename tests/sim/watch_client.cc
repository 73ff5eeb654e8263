#include "tests/sim/watch_client.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "api/contract/errors.h"
#include "api/contract/wire.h"
#include "server/node/watch_events.h"

namespace regent::sim {

using namespace std::chrono_literals;

namespace {

constexpr size_t kWatchersMax = 8;

}  // namespace

// The way to the client: messages lie here until the client, sooner or later, takes them.
class WatchClient::Sink final : public api::WatchSink {
 public:
  explicit Sink(WatchClient& client) : client_(&client) {}

  void Send(api::WatchMessage message) override {
    if (client_ == nullptr) return;
    for (const api::SharedBytes& bytes : message.events) unsent_ += bytes->size();
    unsent_ += 20;
    if (unsent_ > client_->sink_bytes_max_) ++client_->counters_.full;
    messages_.push_back(std::move(message));
    if (std::exchange(taking_, true)) return;
    // Mostly at once, sometimes much later.
    const auto delay = client_->random_() % 20 == 0 ? 100ms : std::chrono::milliseconds(client_->random_() % 3);
    client_->loop_.PostAfter(delay, [self = self_.lock()] { self->Take(); });
  }
  size_t unsent_bytes() const override { return unsent_; }
  void Finish(absl::Status) override {}

  void Detach() { client_ = nullptr; }
  void set_self(std::weak_ptr<Sink> self) { self_ = std::move(self); }

 private:
  void Take() {
    taking_ = false;
    std::deque<api::WatchMessage> messages = std::exchange(messages_, {});
    unsent_ = 0;
    for (const api::WatchMessage& message : messages) {
      if (client_ != nullptr) client_->Handle(message);
    }
    if (client_ != nullptr && client_->stream_ != nullptr) client_->stream_->Drained();
  }

  WatchClient* client_;
  std::weak_ptr<Sink> self_;
  std::deque<api::WatchMessage> messages_;
  size_t unsent_ = 0;
  bool taking_ = false;
};

WatchClient::WatchClient(Loop& loop, uint64_t seed, size_t sink_bytes_max, Truth& truth, Verdict& verdict,
                         WatchCounters& counters)
    : loop_(loop),
      random_(seed),
      sink_bytes_max_(sink_bytes_max),
      truth_(truth),
      verdict_(verdict),
      counters_(counters) {}

WatchClient::~WatchClient() { Disconnect(); }

void WatchClient::Connect(server::Node& node) {
  sink_ = std::make_shared<Sink>(*this);
  sink_->set_self(sink_);
  stream_ = node.OpenWatch(sink_);
  for (auto& [id, watcher] : watchers_) {
    if (watcher.created) {
      ++counters_.resumed;
      watcher.start = watcher.next;
    }
    watcher.created = false;
    SendCreate(id, watcher);
  }
}

void WatchClient::Disconnect() {
  if (sink_ != nullptr) sink_->Detach();
  sink_ = nullptr;
  stream_ = nullptr;
}

std::string WatchClient::RandomKey() { return absl::StrCat("k", random_() % 8); }

void WatchClient::Act() {
  if (stream_ == nullptr) return;
  switch (random_() % 8) {
    case 0:
    case 1:
    case 2:
      return CreateRandom();
    case 3:
      if (watchers_.empty() || random_() % 4 != 0) return;
      return stream_->Cancel(std::next(watchers_.begin(), static_cast<long>(random_() % watchers_.size()))->first);
    default:
      ++counters_.progress_asked;
      return stream_->RequestProgress();
  }
}

void WatchClient::CreateRandom() {
  if (watchers_.size() >= kWatchersMax) return;
  Watcher watcher;
  watcher.interest.key = RandomKey();
  switch (random_() % 3) {
    case 0:
      break;
    case 1:
      watcher.interest.range_end = std::string(api::kFromKey);
      break;
    default:
      watcher.interest.key = "k";
      watcher.interest.range_end = "l";
  }
  watcher.interest.prev_kv = random_() % 2 == 0;
  watcher.interest.no_put = random_() % 10 == 0;
  watcher.interest.no_delete = random_() % 10 == 0;
  watcher.progress_notify = random_() % 2 == 0;
  const int64_t revision = truth_.revision().value;
  switch (random_() % 5) {
    case 0:
      watcher.start = revision + static_cast<int64_t>(random_() % 20);
      break;
    case 1:
    case 2:
      watcher.start = std::max<int64_t>(1, revision - static_cast<int64_t>(random_() % 300));
      break;
    case 3:
      watcher.start = std::max<int64_t>(1, truth_.compacted().value);
      ++counters_.from_compacted;
      break;
    default:
      break;
  }
  watcher.next = watcher.start;
  const int64_t id = ++last_id_;
  SendCreate(id, watchers_[id] = std::move(watcher));
}

void WatchClient::SendCreate(int64_t id, Watcher& watcher) {
  watcher.position = truth_.Position({watcher.start});
  stream_->Create({.watch_id = id,
                   .key = watcher.interest.key,
                   .range_end = watcher.interest.range_end,
                   .start_revision = {watcher.start},
                   .progress_notify = watcher.progress_notify,
                   .prev_kv = watcher.interest.prev_kv,
                   .no_put = watcher.interest.no_put,
                   .no_delete = watcher.interest.no_delete});
}

void WatchClient::Handle(const api::WatchMessage& message) {
  if (message.revision > truth_.revision()) verdict_.Broken("a watch message is ahead of the store");
  if (message.watch_id == -1) {
    ++counters_.progress_answered;
    progress_due_ = false;
    // Of watchers created behind the request nothing is promised yet.
    for (auto& [id, watcher] : watchers_) {
      if (watcher.created) HandleProgress(watcher, message.revision.value);
    }
    return;
  }
  const auto found = watchers_.find(message.watch_id);
  if (found == watchers_.end()) return verdict_.Broken("a message for a watcher that was cancelled");
  Watcher& watcher = found->second;
  if (message.created) {
    ++counters_.created;
    watcher.created = true;
    if (watcher.start == 0) {
      watcher.next = message.revision.value + 1;
      watcher.position = truth_.Position({watcher.next});
    }
    return;
  }
  if (message.canceled) {
    ++counters_.cancelled;
    if (message.compact_revision.value != 0) {
      ++counters_.compacted;
      if (watcher.next >= message.compact_revision.value || message.compact_revision > truth_.compacted()) {
        verdict_.Broken(absl::StrCat("a watcher at ", watcher.next, " was cancelled for the compaction at ",
                                     message.compact_revision.value));
      }
    }
    watchers_.erase(found);
    return;
  }
  if (!message.events.empty()) return HandleEvents(watcher, message);
  ++counters_.progress_periodic;
  if (!watcher.progress_notify) verdict_.Broken("progress for a watcher that did not ask for it");
  HandleProgress(watcher, message.revision.value);
}

void WatchClient::HandleEvents(Watcher& watcher, const api::WatchMessage& message) {
  int64_t last = 0;
  for (const api::SharedBytes& bytes : message.events) {
    ++counters_.events;
    const storage::Event* event = NextWanted(watcher);
    if (event == nullptr) {
      return verdict_.Broken(absl::StrCat("a watcher that has all events received ", WhatCame(watcher, *bytes)));
    }
    if (!SameBytes(*event, watcher, *bytes)) {
      return verdict_.Broken(absl::StrCat("a watcher should have received revision ", event->revision.value, " of key ",
                                          event->key, " and received ", WhatCame(watcher, *bytes)));
    }
    last = event->revision.value;
    ++watcher.position;
  }
  if (message.revision.value < last) verdict_.Broken("a message's revision is below its events");
  if (message.revision.value > last) ++counters_.catch_ups;
  watcher.next = last + 1;
  const storage::Event* event = NextWanted(watcher);
  if (event != nullptr && event->revision.value == last) verdict_.Broken("a revision was split over two messages");
}

// Of an event that should not have come now.
std::string WatchClient::WhatCame(const Watcher& watcher, const std::string& bytes) const {
  const std::vector<storage::Event>& events = truth_.events();
  for (size_t i = 0; i < events.size(); ++i) {
    if (bytes != *server::EncodeEvent(events[i], true) && bytes != *server::EncodeEvent(events[i], false)) continue;
    const char* const what = i < watcher.position ? "that of the past, again or unasked" : "a later one";
    return absl::StrCat("revision ", events[i].revision.value, " of key ", events[i].key, ": ", what);
  }
  return "an event that never happened";
}

void WatchClient::HandleProgress(Watcher& watcher, int64_t revision) {
  if (watcher.start > revision) return verdict_.Broken("progress below the start of a watcher");
  const storage::Event* event = NextWanted(watcher);
  if (event != nullptr && event->revision.value <= revision) {
    return verdict_.Broken(absl::StrCat("progress at ", revision, " is ahead of the event at ", event->revision.value));
  }
  watcher.next = std::max(watcher.next, revision + 1);
}

const storage::Event* WatchClient::NextWanted(Watcher& watcher) const {
  const std::vector<storage::Event>& events = truth_.events();
  for (; watcher.position < events.size(); ++watcher.position) {
    const storage::Event& event = events[watcher.position];
    if (event.revision.value >= watcher.next && watcher.interest.Wants(event) && watcher.interest.Covers(event.key)) {
      return &event;
    }
  }
  return nullptr;
}

// The previous value may be missing only when it is compacted away.
bool WatchClient::SameBytes(const storage::Event& event, const Watcher& watcher, const std::string& bytes) {
  if (watcher.interest.prev_kv && bytes == *server::EncodeEvent(event, true)) {
    counters_.previous += event.previous.has_value() ? 1 : 0;
    return true;
  }
  const bool without = !watcher.interest.prev_kv || event.revision.value - 1 < truth_.compacted().value;
  return without && bytes == *server::EncodeEvent(event, false);
}

void WatchClient::CheckComplete() {
  for (auto& [id, watcher] : watchers_) {
    if (!watcher.created) verdict_.Broken("a watcher was never created");
    if (const storage::Event* event = NextWanted(watcher); event != nullptr) {
      verdict_.Broken(
          absl::StrCat("a watcher at ", watcher.next, " never received the event at ", event->revision.value));
    }
  }
}

// All watchers are live by then. One that starts in the future holds progress back, as in etcd.
void WatchClient::AskForProgress() {
  const bool reached = std::all_of(watchers_.begin(), watchers_.end(),
                                   [this](const auto& entry) { return entry.second.start <= truth_.revision().value; });
  if (stream_ == nullptr || watchers_.empty() || !reached) return;
  ++counters_.progress_asked;
  progress_due_ = true;
  stream_->RequestProgress();
}

void WatchClient::CheckProgress() {
  if (progress_due_) verdict_.Broken("progress was asked for and not answered within a second");
}

}  // namespace regent::sim
