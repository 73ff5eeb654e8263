// A store of a few lines for the watch hub's tests: a list of events with their history, views at any revision, and
// what apply would publish.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/contract/errors.h"
#include "api/contract/key_range.h"
#include "api/contract/wire.h"
#include "storage/events.h"
#include "storage/view.h"

namespace regent::server {

class FakeStore {
 public:
  struct Change {
    bool put = true;
    std::string key;
    std::string value;
  };

  // One revision; deletes of keys that are not there are left out. Returns its batch; `previous`: the keys for which
  // the previous value is looked up.
  std::shared_ptr<const storage::EventBatch> Apply(const std::vector<Change>& changes,
                                                   const std::function<bool(std::string_view)>& previous) {
    auto batch = std::make_shared<storage::EventBatch>();
    const api::Revision revision{history_->revision + 1};
    for (const Change& change : changes) {
      const auto live = live_.find(change.key);
      if (!change.put && live == live_.end()) continue;
      storage::Event event;
      event.revision = revision;
      event.type = change.put ? storage::Event::Type::kPut : storage::Event::Type::kDelete;
      event.key = change.key;
      event.created = change.put && live == live_.end();
      if (live != live_.end()) event.previous = live->second.rest;
      if (change.put) {
        const Version made{live == live_.end() ? revision : live->second.created,
                           live == live_.end() ? 1 : live->second.version + 1};
        event.rest = api::EncodeKeyValueRest(made.created, revision, made.version, change.value, {});
        live_[change.key] = {made.created, made.version, event.rest};
      } else {
        event.rest = api::EncodeKeyValueRest({}, revision, 0, "", {});
        live_.erase(change.key);
      }
      event.previous_known = true;
      history_->events.push_back(event);
      if (!event.created && !previous(change.key)) {
        event.previous_known = false;
        event.previous.reset();
      }
      batch->events.push_back(std::move(event));
    }
    if (batch->events.empty()) return nullptr;
    batch->first = batch->last = revision;
    history_->revision = revision.value;
    return batch;
  }

  void Compact(int64_t revision) { history_->compacted = revision; }
  int64_t revision() const { return history_->revision; }
  int64_t compacted() const { return history_->compacted; }
  const std::vector<storage::Event>& events() const { return history_->events; }
  int reads() const { return history_->reads; }

  std::shared_ptr<const storage::View> view() const { return std::make_shared<FakeView>(history_); }

 private:
  struct History {
    int64_t revision = 1;
    int64_t compacted = 0;
    std::vector<storage::Event> events;  // all with their previous values
    int reads = 0;
  };
  struct Version {
    api::Revision created;
    int64_t version = 0;
    std::string rest;
  };

  class FakeView final : public storage::View {
   public:
    explicit FakeView(std::shared_ptr<History> history) : history_(std::move(history)), revision_(history_->revision) {}
    api::Revision revision() const override { return {revision_}; }
    api::Revision compacted() const override { return {history_->compacted}; }
    int64_t logical_size() const override { return 0; }
    int64_t logical_size_in_use() const override { return 0; }
    uint64_t applied_index() const override { return 0; }
    absl::StatusOr<api::RangeResult> Range(const api::RangeRequest&) const override {
      return absl::UnimplementedError("");
    }
    absl::StatusOr<api::TxnResult> ReadTxn(const api::TxnRequest&) const override {
      return absl::UnimplementedError("");
    }
    absl::StatusOr<api::RangeSlice> Slice(const api::RangeRequest&, size_t) const override {
      return absl::UnimplementedError("");
    }
    absl::StatusOr<api::HashKvResult> HashKv(int64_t, const std::atomic<bool>&) const override {
      return absl::UnimplementedError("");
    }
    absl::StatusOr<storage::EventSlice> Events(std::string_view key, std::string_view range_end, api::Revision from,
                                               bool previous, size_t events_max) const override {
      if (from.value < history_->compacted) return api::ErrCompacted();
      ++history_->reads;
      auto batch = std::make_shared<storage::EventBatch>();
      storage::EventSlice slice;
      size_t rows = 0;
      slice.next = {revision_ + 1};
      for (const storage::Event& event : history_->events) {
        if (event.revision < from || event.revision.value > revision_) continue;
        if (rows >= events_max && batch->last < event.revision) {
          slice.next = event.revision;
          break;
        }
        ++rows;
        batch->last = event.revision;
        if (!api::RangeContains(key, range_end, event.key)) continue;
        batch->events.push_back(event);
        if (!previous) batch->events.back().previous.reset();
      }
      slice.events = std::move(batch);
      return slice;
    }

   private:
    std::shared_ptr<History> history_;
    const int64_t revision_;
  };

  std::shared_ptr<History> history_ = std::make_shared<History>();
  std::map<std::string, Version> live_;
};

}  // namespace regent::server
