#include "storage/ranges.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "api/contract/key_range.h"
#include "api/contract/status_macros.h"
#include "api/contract/wire.h"
#include "glog/logging.h"
#include "storage/event_row.h"

namespace regent::storage {
namespace {

// A count at an older revision goes through this many events at most; beyond it walks the range.
constexpr int64_t kCountedEventsMax = 100'000;
// A range of fewer live keys is walked at once.
constexpr int64_t kWalkedKeysMax = 1000;

api::KeyValueRest Decode(std::string_view rest) {
  absl::StatusOr<api::KeyValueRest> decoded = api::DecodeKeyValueRest(rest);
  CHECK(decoded.ok()) << decoded.status();
  return *decoded;
}

bool HasFilters(const api::RangeRequest& request) {
  return request.min_mod_revision.value != 0 || request.max_mod_revision.value != 0 ||
         request.min_create_revision.value != 0 || request.max_create_revision.value != 0;
}

bool PassesFilters(const api::RangeRequest& request, std::string_view rest) {
  if (!HasFilters(request)) return true;
  const api::KeyValueRest kv = Decode(rest);
  const auto within = [](api::Revision revision, api::Revision min, api::Revision max) {
    return (min.value == 0 || revision >= min) && (max.value == 0 || revision <= max);
  };
  return within(kv.mod_revision, request.min_mod_revision, request.max_mod_revision) &&
         within(kv.create_revision, request.min_create_revision, request.max_create_revision);
}

// Without the value; the lease stays only when the value had to be read for the sort, as in etcd 3.7, which answers
// the others from its index.
void AddResult(const api::RangeRequest& request, std::string_view key, std::string_view rest, api::KeyValueList& kvs) {
  if (!request.keys_only) return kvs.Add(key, rest);
  const api::KeyValueRest kv = Decode(rest);
  const bool value_was_read = request.sort_target == api::SortTarget::kValue;
  kvs.Add(key, api::EncodeKeyValueRest(kv.create_revision, kv.mod_revision, kv.version, {},
                                       value_was_read ? kv.lease : api::LeaseId{}));
}

struct Item {
  std::string key;
  std::string rest;
  api::KeyValueRest kv;  // points into rest
};

// The items themselves stay where they are, because their decoded values point into them.
std::vector<const Item*> Sort(const api::RangeRequest& request, std::vector<Item>& items) {
  std::vector<const Item*> order;
  order.reserve(items.size());
  for (Item& item : items) {
    item.kv = Decode(item.rest);
    order.push_back(&item);
  }
  const auto sort = [&](auto field) {
    std::stable_sort(order.begin(), order.end(), [&](const Item* a, const Item* b) {
      return request.sort_order == api::SortOrder::kDescend ? field(*b) < field(*a) : field(*a) < field(*b);
    });
    return order;
  };
  switch (request.sort_target) {
    case api::SortTarget::kKey:
      return sort([](const Item& item) { return std::string_view(item.key); });
    case api::SortTarget::kVersion:
      return sort([](const Item& item) { return item.kv.version; });
    case api::SortTarget::kCreate:
      return sort([](const Item& item) { return item.kv.create_revision; });
    case api::SortTarget::kMod:
      return sort([](const Item& item) { return item.kv.mod_revision; });
    case api::SortTarget::kValue:
      return sort([](const Item& item) { return item.kv.value; });
  }
  return order;
}

class CursorRest final : public api::RangeRest {
 public:
  CursorRest(std::shared_ptr<const Engine> engine, VersionCursor cursor, api::RangeRequest request)
      : engine_(std::move(engine)), cursor_(std::move(cursor)), request_(std::move(request)) {}

  void Expect(size_t bytes) {
    size_bytes_ += bytes;
    ++count_;
  }

  size_t size_bytes() const override { return size_bytes_; }
  size_t count() const override { return count_; }
  api::KeyValueList Next(size_t bytes_max) override {
    api::KeyValueList kvs;
    while (kvs.size_bytes() < std::min(bytes_max, size_bytes_)) {
      CHECK(cursor_.Next()) << size_bytes_ - kvs.size_bytes() << " bytes of a range that was measured are gone";
      if (!cursor_.live() || !PassesFilters(request_, cursor_.rest())) continue;
      AddResult(request_, cursor_.key(), cursor_.rest(), kvs);
    }
    size_bytes_ -= kvs.size_bytes();
    return kvs;
  }

 private:
  const std::shared_ptr<const Engine> engine_;  // outlives the cursor
  VersionCursor cursor_;
  const api::RangeRequest request_;
  size_t size_bytes_ = 0;
  size_t count_ = 0;
};

class RangeReader {
 public:
  RangeReader(const RangeState& state, const api::RangeRequest& request)
      : state_(state), request_(request), at_(Bound(state, request)) {
    result_.revision.value = state.revision;
  }

  absl::StatusOr<api::RangeResult> Read() {
    if (api::RangeIsEmpty(request_.key, request_.range_end)) return std::move(result_);
    if (api::IsSingleKey(request_.range_end)) {
      REGENT_RETURN_IF_ERROR(ReadOne());
    } else if (request_.count_only) {
      REGENT_ASSIGN_OR_RETURN(result_.count, Count());
    } else if (Sorted()) {
      REGENT_RETURN_IF_ERROR(ReadSorted());
    } else {
      REGENT_RETURN_IF_ERROR(ReadInKeyOrder());
    }
    return std::move(result_);
  }

 private:
  static Position Bound(const RangeState& state, const api::RangeRequest& request) {
    if (request.revision.value <= 0) return state.newest;
    return std::min(Through(request.revision.value), state.newest);
  }

  KeySpan Span() const { return {request_.key, VersionRowsEnd(request_.range_end)}; }

  bool Sorted() const {
    return request_.sort_target != api::SortTarget::kKey || request_.sort_order == api::SortOrder::kDescend;
  }

  absl::Status ReadOne() {
    REGENT_ASSIGN_OR_RETURN(const std::optional<Version> found, FindVersion(state_.rows, request_.key, at_));
    if (!found.has_value() || found->rest.empty()) return absl::OkStatus();
    result_.count = 1;
    if (!request_.count_only && PassesFilters(request_, found->rest))
      AddResult(request_, request_.key, found->rest, result_.kvs);
    return absl::OkStatus();
  }

  // Stops behind the limit; then the tree says how many there are.
  absl::Status ReadInKeyOrder() {
    REGENT_ASSIGN_OR_RETURN(VersionCursor cursor, OpenCursor(state_.rows, Span(), at_));
    std::string last_key;
    int64_t given = 0;
    while (cursor.Next()) {
      if (!cursor.live()) continue;
      ++result_.count;
      if (!PassesFilters(request_, cursor.rest())) continue;
      if (request_.limit > 0 && given == request_.limit) {
        result_.more = true;
        break;
      }
      REGENT_RETURN_IF_ERROR(Give(cursor));
      if (++given == request_.limit) last_key = cursor.key();
    }
    if (!result_.more) return absl::OkStatus();
    const int64_t before = result_.count - 1;  // live keys up to the last one given, filters or not
    REGENT_ASSIGN_OR_RETURN(result_.count, Count());
    if (state_.pages != nullptr && !HasFilters(request_)) {
      last_key.push_back('\0');
      state_.pages->Note(last_key, request_.range_end, at_.revision, result_.count - before);
    }
    return absl::OkStatus();
  }

  // Into the answer or, when that is large already, to its rest: measured now, read later.
  absl::Status Give(VersionCursor& cursor) {
    if (rest_ == nullptr &&
        (state_.parts.engine == nullptr || result_.kvs.size_bytes() < state_.parts.bytes_max || request_.keys_only)) {
      AddResult(request_, cursor.key(), cursor.rest(), result_.kvs);
      return absl::OkStatus();
    }
    if (rest_ == nullptr) {
      REGENT_ASSIGN_OR_RETURN(VersionCursor from_here,
                              OpenCursor(state_.rows, {cursor.key(), VersionRowsEnd(request_.range_end)}, at_));
      rest_ = std::make_shared<CursorRest>(state_.parts.engine, std::move(from_here), request_);
      result_.rest = rest_;
    }
    rest_->Expect(result_.kvs.EncodedSize(cursor.key(), cursor.rest()));
    return absl::OkStatus();
  }

  // etcd takes the order NONE for the order of keys even when a target is named: it reads the first limit + 1 keys,
  // sorts those and cuts. Any other order, and any filter, reads the whole range first.
  absl::Status ReadSorted() {
    const bool first_keys_alone =
        request_.sort_order == api::SortOrder::kNone && !HasFilters(request_) && request_.limit > 0;
    REGENT_ASSIGN_OR_RETURN(VersionCursor cursor, OpenCursor(state_.rows, Span(), at_));
    std::vector<Item> items;
    bool whole_range = true;
    while (cursor.Next()) {
      if (!cursor.live()) continue;
      ++result_.count;
      if (!PassesFilters(request_, cursor.rest())) continue;
      items.push_back(Item{.key = std::string(cursor.key()), .rest = std::string(cursor.rest()), .kv = {}});
      if (first_keys_alone && static_cast<int64_t>(items.size()) - 1 == request_.limit) {
        whole_range = false;
        break;
      }
    }
    std::vector<const Item*> order = Sort(request_, items);
    if (request_.limit > 0 && static_cast<int64_t>(order.size()) > request_.limit) {
      result_.more = true;
      order.resize(static_cast<size_t>(request_.limit));
    }
    for (const Item* item : order) AddResult(request_, item->key, item->rest, result_.kvs);
    if (!whole_range) {
      REGENT_ASSIGN_OR_RETURN(result_.count, Count());
    }
    return absl::OkStatus();
  }

  absl::StatusOr<int64_t> Count() const {
    if (state_.pages != nullptr) {
      const std::optional<int64_t> known = state_.pages->Find(request_.key, request_.range_end, at_.revision);
      if (known.has_value()) return *known;
    }
    REGENT_ASSIGN_OR_RETURN(const int64_t newest,
                            state_.counts.Count(state_.rows, request_.key, request_.range_end, state_.newest));
    if (at_ == state_.newest) return newest;
    if (newest <= kWalkedKeysMax) return WalkCount(state_.rows, Span(), at_);
    REGENT_ASSIGN_OR_RETURN(const std::optional<int64_t> change, ChangeSince());
    if (!change.has_value()) return WalkCount(state_.rows, Span(), at_);
    return newest - *change;
  }

  // Births less deaths of the range after at_; nullopt when there are too many events to go through.
  absl::StatusOr<std::optional<int64_t>> ChangeSince() const {
    if (state_.newest.revision - at_.revision > kCountedEventsMax) return std::nullopt;
    const std::string from = EventRow(Position{at_.revision + 1, 0});
    REGENT_ASSIGN_OR_RETURN(const std::unique_ptr<RowIterator> row,
                            state_.rows.Iterate(EventRow(Position{state_.newest.revision + 1, 0}), Scope::kRange));
    int64_t change = 0;
    int64_t events = 0;
    for (row->Seek(from); row->Valid(); row->Next()) {
      const Position position = PositionOfEventRow(row->row());
      if (position > state_.newest) break;
      if (++events > kCountedEventsMax) return std::nullopt;
      const EventRecord event = DecodeEventRecord(position, row->value());
      if (event.kind == EventKind::kUpdate || !api::RangeContains(request_.key, request_.range_end, event.key))
        continue;
      change += event.kind == EventKind::kCreate ? 1 : -1;
    }
    return change;
  }

  const RangeState& state_;
  const api::RangeRequest& request_;
  const Position at_;
  api::RangeResult result_;
  std::shared_ptr<CursorRest> rest_;  // result_.rest
};

}  // namespace

size_t PageCounts::SlotOf(std::string_view key, std::string_view range_end, int64_t revision) {
  const std::hash<std::string_view> hash;
  return (hash(key) * 31 + hash(range_end) * 7 + static_cast<size_t>(revision)) % kSlots;
}

void PageCounts::Note(std::string_view key, std::string_view range_end, int64_t revision, int64_t count) {
  auto entry = std::make_shared<const Entry>(
      Entry{.key = std::string(key), .range_end = std::string(range_end), .revision = revision, .count = count});
  std::atomic_store(&slots_[SlotOf(key, range_end, revision)], std::move(entry));
}

std::optional<int64_t> PageCounts::Find(std::string_view key, std::string_view range_end, int64_t revision) const {
  const std::shared_ptr<const Entry> entry = std::atomic_load(&slots_[SlotOf(key, range_end, revision)]);
  if (entry == nullptr || entry->revision != revision || entry->key != key || entry->range_end != range_end)
    return std::nullopt;
  return entry->count;
}

absl::StatusOr<api::RangeResult> ReadRange(const RangeState& state, const api::RangeRequest& request) {
  return RangeReader(state, request).Read();
}

absl::StatusOr<api::RangeSlice> ReadSlice(const RowSource& rows, Position at, const api::RangeRequest& request,
                                          size_t bytes_max) {
  api::RangeSlice slice;
  if (api::RangeIsEmpty(request.key, request.range_end)) return slice;
  std::string end =
      api::IsSingleKey(request.range_end) ? AfterKeyPrefix(KeyPrefix(request.key)) : VersionRowsEnd(request.range_end);
  REGENT_ASSIGN_OR_RETURN(VersionCursor cursor, OpenCursor(rows, {request.key, std::move(end)}, at));
  while (cursor.Next()) {
    if (!cursor.live()) continue;
    const bool at_limit = request.limit > 0 && slice.kvs.count() == request.limit;
    if (at_limit || (slice.kvs.count() > 0 && slice.kvs.size_bytes() >= bytes_max)) {
      slice.next_key = cursor.key();
      break;
    }
    AddResult(request, cursor.key(), cursor.rest(), slice.kvs);
  }
  return slice;
}

}  // namespace regent::storage
