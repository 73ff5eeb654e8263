// What a reader sees: ranges, compares, events, sizes.
#include <algorithm>

#include "tests/model/model.h"

namespace regent::model {
namespace {

// The end of a range as the wire says it: "" the key alone, one zero byte no end.
bool Within(std::string_view key, std::string_view range_end, std::string_view candidate) {
  if (range_end.empty()) return candidate == key;
  if (candidate < key) return false;
  return range_end == std::string_view("\0", 1) || candidate < range_end;
}

bool PassesFilters(const api::RangeRequest& request, const KeyValue& kv) {
  const auto at_least = [](int64_t bound, int64_t value) { return bound == 0 || value >= bound; };
  const auto at_most = [](int64_t bound, int64_t value) { return bound == 0 || value <= bound; };
  return at_least(request.min_mod_revision.value, kv.mod) && at_most(request.max_mod_revision.value, kv.mod) &&
         at_least(request.min_create_revision.value, kv.create) &&
         at_most(request.max_create_revision.value, kv.create);
}

bool HasFilters(const api::RangeRequest& request) {
  return request.min_mod_revision.value != 0 || request.max_mod_revision.value != 0 ||
         request.min_create_revision.value != 0 || request.max_create_revision.value != 0;
}

bool SortsBefore(api::SortTarget target, const KeyValue& a, const KeyValue& b) {
  switch (target) {
    case api::SortTarget::kKey:
      return a.key < b.key;
    case api::SortTarget::kVersion:
      return a.version < b.version;
    case api::SortTarget::kCreate:
      return a.create < b.create;
    case api::SortTarget::kMod:
      return a.mod < b.mod;
    case api::SortTarget::kValue:
      return a.value_view() < b.value_view();
  }
  return false;
}

int64_t Operand(const api::Compare& compare, const KeyValue& kv) {
  switch (compare.target) {
    case api::Compare::Target::kVersion:
      return kv.version;
    case api::Compare::Target::kCreate:
      return kv.create;
    case api::Compare::Target::kMod:
      return kv.mod;
    default:
      return kv.lease;
  }
}

bool HoldsFor(const api::Compare& compare, const KeyValue& kv) {
  int order = 0;
  if (compare.target == api::Compare::Target::kValue) {
    order = kv.value_view().compare(compare.value);
  } else {
    const int64_t actual = Operand(compare, kv);
    order = actual < compare.number ? -1 : actual > compare.number ? 1 : 0;
  }
  switch (compare.result) {
    case api::Compare::Result::kEqual:
      return order == 0;
    case api::Compare::Result::kGreater:
      return order > 0;
    case api::Compare::Result::kLess:
      return order < 0;
    case api::Compare::Result::kNotEqual:
      return order != 0;
  }
  return false;
}

}  // namespace

std::optional<KeyValue> Model::At(const std::vector<Version>& versions, int64_t revision) {
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (version->kv.mod > revision) continue;
    if (version->deletion) return std::nullopt;
    return version->kv;
  }
  return std::nullopt;
}

std::optional<KeyValue> Model::At(const std::string& key, int64_t revision) const {
  const auto found = history_.find(key);
  return found == history_.end() ? std::nullopt : At(found->second, revision);
}

std::vector<KeyValue> Model::Select(std::string_view key, std::string_view range_end, int64_t revision) const {
  std::vector<KeyValue> selected;
  for (auto entry = history_.lower_bound(key); entry != history_.end() && Within(key, range_end, entry->first);
       ++entry) {
    if (std::optional<KeyValue> kv = At(entry->second, revision)) selected.push_back(*std::move(kv));
  }
  return selected;
}

int64_t Model::Count(std::string_view key, std::string_view range_end, int64_t revision) const {
  int64_t count = 0;
  for (auto entry = history_.lower_bound(key); entry != history_.end() && Within(key, range_end, entry->first);
       ++entry) {
    const auto newest = std::find_if(entry->second.rbegin(), entry->second.rend(),
                                     [&](const Version& version) { return version.kv.mod <= revision; });
    if (newest != entry->second.rend() && !newest->deletion) ++count;
  }
  return count;
}

absl::Status Model::CheckReadable(int64_t revision, int64_t current) const {
  if (revision > current) return absl::OutOfRangeError("etcdserver: mvcc: required revision is a future revision");
  if (revision < compacted_) return absl::OutOfRangeError("etcdserver: mvcc: required revision has been compacted");
  return absl::OkStatus();
}

RangeAnswer Model::ReadAt(const api::RangeRequest& request, int64_t at, int64_t header) const {
  RangeAnswer answer{.revision = header, .count = Count(request.key, request.range_end, at)};
  if (request.count_only) return answer;
  std::vector<KeyValue> all = Select(request.key, request.range_end, at);

  const bool limited = request.limit > 0;
  // Without an order (or in key order) and without filters etcd cuts before it sorts, one key above the limit.
  const bool default_order =
      request.sort_order == api::SortOrder::kNone ||
      (request.sort_order == api::SortOrder::kAscend && request.sort_target == api::SortTarget::kKey);
  if (limited && default_order && !HasFilters(request) && all.size() > static_cast<size_t>(request.limit)) {
    all.resize(static_cast<size_t>(request.limit) + 1);
  }
  std::erase_if(all, [&](const KeyValue& kv) { return !PassesFilters(request, kv); });
  const bool descending = request.sort_order == api::SortOrder::kDescend;
  std::stable_sort(all.begin(), all.end(), [&](const KeyValue& a, const KeyValue& b) {
    return descending ? SortsBefore(request.sort_target, b, a) : SortsBefore(request.sort_target, a, b);
  });
  answer.more = limited && all.size() > static_cast<size_t>(request.limit);
  answer.returned = answer.more ? static_cast<size_t>(request.limit) : all.size();
  answer.candidates = std::move(all);
  return answer;
}

absl::StatusOr<RangeAnswer> Model::Range(const api::RangeRequest& request, int64_t current) const {
  const int64_t at = request.revision.value > 0 ? request.revision.value : current;
  if (absl::Status status = CheckReadable(at, current); !status.ok()) return status;
  return ReadAt(request, at, current);
}

absl::StatusOr<TxnAnswer> Model::ReadTxn(const api::TxnRequest& request, int64_t current) const {
  if (absl::Status status = CheckReadable(current, current); !status.ok()) return status;
  std::vector<bool> path;
  ChoosePath(request, current, &path);
  size_t position = 0;
  if (absl::Status status = CheckTxn(request, path, &position, current); !status.ok()) return status;
  TxnAnswer answer{.revision = current, .succeeded = path[0]};
  for (const api::RequestOp& operation : path[0] ? request.success : request.failure) {
    const auto& range = std::get<api::RangeRequest>(operation);
    answer.operations.emplace_back(ReadAt(range, range.revision.value > 0 ? range.revision.value : current, current));
  }
  return answer;
}

bool Model::Holds(const api::Compare& compare, int64_t at) const {
  const std::vector<KeyValue> selected = Select(compare.key, compare.range_end, at);
  if (selected.empty()) return compare.target != api::Compare::Target::kValue && HoldsFor(compare, KeyValue{});
  return std::all_of(selected.begin(), selected.end(), [&](const KeyValue& kv) { return HoldsFor(compare, kv); });
}

void Model::ChoosePath(const api::TxnRequest& request, int64_t at, std::vector<bool>* path) const {
  const bool succeeded = std::all_of(request.compare.begin(), request.compare.end(),
                                     [&](const api::Compare& compare) { return Holds(compare, at); });
  path->push_back(succeeded);
  for (const api::RequestOp& operation : succeeded ? request.success : request.failure) {
    if (const auto* nested = std::get_if<std::shared_ptr<const api::TxnRequest>>(&operation))
      ChoosePath(**nested, at, path);
  }
}

absl::StatusOr<std::vector<ModelEvent>> Model::Events(std::string_view key, std::string_view range_end, int64_t from,
                                                      int64_t current) const {
  if (from < compacted_) return absl::OutOfRangeError("etcdserver: mvcc: required revision has been compacted");
  std::vector<ModelEvent> result;
  for (auto entry = events_.lower_bound(from); entry != events_.end() && entry->first <= current; ++entry) {
    for (const ModelEvent& event : entry->second) {
      if (!Within(key, range_end, event.kv.key)) continue;
      result.push_back(event);
      if (event.revision - 1 < compacted_) result.back().previous.reset();
    }
  }
  return result;
}

const std::vector<ModelEvent>& Model::EventsOf(int64_t revision) const {
  static const std::vector<ModelEvent> none;
  const auto found = events_.find(revision);
  return found == events_.end() ? none : found->second;
}

int64_t Model::live_size() const {
  int64_t size = 0;
  for (const auto& [key, versions] : history_) {
    if (!versions.back().deletion) size += Weight(versions.back().kv, false);
  }
  return size;
}

int64_t Model::live_keys() const {
  return std::count_if(history_.begin(), history_.end(),
                       [](const auto& entry) { return !entry.second.back().deletion; });
}

const std::set<std::string>& Model::LeaseKeys(int64_t id) const {
  static const std::set<std::string> none;
  const auto found = lease_keys_.find(id);
  return found == lease_keys_.end() ? none : found->second;
}

}  // namespace regent::model
