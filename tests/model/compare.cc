#include "tests/model/compare.h"

#include <functional>
#include <map>
#include <set>

namespace regent::model {
namespace {

std::string Differs(const char* what, int64_t expected, int64_t actual) {
  if (expected == actual) return "";
  return std::string(what) + ": expected " + std::to_string(expected) + ", got " + std::to_string(actual);
}

std::string Differs(const std::string& what, const std::optional<KeyValue>& expected,
                    const std::optional<KeyValue>& actual) {
  if (expected == actual) return "";
  return what + ": expected " + (expected ? Describe(*expected) : "none") + ", got " +
         (actual ? Describe(*actual) : "none");
}

std::string Differs(const absl::Status& expected, const absl::Status& actual) {
  if (expected == actual) return "";
  return "expected " + expected.ToString() + ", got " + actual.ToString();
}

std::string FirstOf(std::initializer_list<std::string> differences) {
  for (const std::string& difference : differences) {
    if (!difference.empty()) return difference;
  }
  return "";
}

// What of a key-value the answer carries.
KeyValue Shown(const api::RangeRequest& request, KeyValue kv) {
  if (!request.keys_only) return kv;
  kv.value = nullptr;
  if (request.sort_target != api::SortTarget::kValue) kv.lease = 0;  // answered from etcd's index, which has no leases
  return kv;
}

bool SortsEqual(api::SortTarget target, const KeyValue& a, const KeyValue& b) {
  switch (target) {
    case api::SortTarget::kKey:
      return a.key == b.key;
    case api::SortTarget::kVersion:
      return a.version == b.version;
    case api::SortTarget::kCreate:
      return a.create == b.create;
    case api::SortTarget::kMod:
      return a.mod == b.mod;
    case api::SortTarget::kValue:
      return a.value_view() == b.value_view();
  }
  return false;
}

std::string CompareKvs(const api::RangeRequest& request, const RangeAnswer& expected,
                       const std::vector<KeyValue>& actual) {
  std::map<std::string_view, const KeyValue*> by_key;
  if (request.sort_target != api::SortTarget::kKey) {
    for (const KeyValue& kv : expected.candidates) by_key[kv.key] = &kv;
  }
  std::set<std::string_view> seen;
  for (size_t i = 0; i < actual.size(); ++i) {
    const KeyValue* wanted = &expected.candidates[i];
    if (request.sort_target != api::SortTarget::kKey) {
      const auto found = by_key.find(actual[i].key);
      if (found == by_key.end()) return "a key that is not in the range: " + Describe(actual[i]);
      if (!seen.insert(actual[i].key).second) return "twice: " + Describe(actual[i]);
      if (!SortsEqual(request.sort_target, *found->second, *wanted)) return "out of order: " + Describe(actual[i]);
      wanted = found->second;
    }
    if (std::string difference = Differs("kvs[" + std::to_string(i) + "]", Shown(request, *wanted), actual[i]);
        !difference.empty()) {
      return difference;
    }
  }
  return "";
}

std::string Compare(const api::RangeRequest& request, const RangeAnswer& expected, const api::RangeResult& actual) {
  const std::optional<std::vector<KeyValue>> kvs = DecodeList(actual.kvs);
  if (!kvs || actual.kvs.field_number() != 2) return "kvs are no canonical encoding";
  const std::string numbers =
      FirstOf({Differs("header revision", expected.revision, actual.revision.value),
               Differs("count", expected.count, actual.count),
               Differs("number of kvs", static_cast<int64_t>(expected.returned), static_cast<int64_t>(kvs->size())),
               Differs("more", expected.more, actual.more)});
  return numbers.empty() ? CompareKvs(request, expected, *kvs) : numbers;
}

std::string Compare(const PutAnswer& expected, const api::PutResult& actual) {
  std::optional<KeyValue> previous;
  if (actual.prev_kv) {
    previous = DecodeKeyValue(*actual.prev_kv);
    if (!previous) return "prev_kv is no canonical encoding";
  }
  return FirstOf({Differs("header revision", expected.revision, actual.revision.value),
                  Differs("prev_kv", expected.previous, previous)});
}

std::string Compare(const DeleteAnswer& expected, const api::DeleteRangeResult& actual) {
  const std::optional<std::vector<KeyValue>> previous = DecodeList(actual.prev_kvs);
  if (!previous || actual.prev_kvs.field_number() != 3) return "prev_kvs are no canonical encoding";
  const std::string numbers = FirstOf({Differs("header revision", expected.revision, actual.revision.value),
                                       Differs("deleted", expected.deleted, actual.deleted),
                                       Differs("number of prev_kvs", static_cast<int64_t>(expected.previous.size()),
                                               static_cast<int64_t>(previous->size()))});
  if (!numbers.empty()) return numbers;
  for (size_t i = 0; i < previous->size(); ++i) {
    if (std::string difference = Differs("prev_kvs", expected.previous[i], (*previous)[i]); !difference.empty())
      return difference;
  }
  return "";
}

enum class Level : uint8_t { kTop, kNested };

std::string Compare(const api::TxnRequest& request, const TxnAnswer& expected, const api::TxnResult& actual,
                    Level level);

std::string Compare(const api::RequestOp& request, const OperationAnswer& expected, const api::ResponseOp& actual) {
  if (expected.index() != actual.index()) return "an answer of another kind";
  if (const auto* range = std::get_if<RangeAnswer>(&expected)) {
    return Compare(std::get<api::RangeRequest>(request), *range, std::get<api::RangeResult>(actual));
  }
  if (const auto* put = std::get_if<PutAnswer>(&expected)) return Compare(*put, std::get<api::PutResult>(actual));
  if (const auto* deletion = std::get_if<DeleteAnswer>(&expected))
    return Compare(*deletion, std::get<api::DeleteRangeResult>(actual));
  const auto& nested_request = std::get<std::shared_ptr<const api::TxnRequest>>(request);
  const auto& nested = std::get<std::shared_ptr<const api::TxnResult>>(actual);
  if (nested == nullptr) return "no answer of the nested transaction";
  return Compare(*nested_request, *std::get<std::shared_ptr<const TxnAnswer>>(expected), *nested, Level::kNested);
}

std::string Compare(const api::TxnRequest& request, const TxnAnswer& expected, const api::TxnResult& actual,
                    Level level) {
  const std::string numbers = FirstOf({Differs("succeeded", expected.succeeded, actual.succeeded),
                                       Differs("number of responses", static_cast<int64_t>(expected.operations.size()),
                                               static_cast<int64_t>(actual.responses.size())),
                                       // etcd leaves the header of a nested answer empty.
                                       Differs("header revision", level == Level::kTop ? expected.revision : 0,
                                               level == Level::kTop ? actual.revision.value : 0)});
  if (!numbers.empty()) return numbers;
  const auto& operations = expected.succeeded ? request.success : request.failure;
  for (size_t i = 0; i < operations.size(); ++i) {
    const std::string difference = Compare(operations[i], expected.operations[i], actual.responses[i]);
    if (!difference.empty()) return "operation " + std::to_string(i) + ": " + difference;
  }
  return "";
}

struct WriteComparison {
  const api::WriteRequest& request;
  const api::WriteResult& actual;

  std::string operator()(const PutAnswer& expected) const { return With<api::PutResult>(expected); }
  std::string operator()(const DeleteAnswer& expected) const { return With<api::DeleteRangeResult>(expected); }
  std::string operator()(const TxnAnswer& expected) const {
    const auto* result = std::get_if<api::TxnResult>(&actual);
    if (result == nullptr) return "an answer of another kind";
    return Compare(std::get<api::TxnRequest>(request), expected, *result, Level::kTop);
  }
  std::string operator()(const RevisionAnswer& expected) const {
    if (const auto* compaction = std::get_if<api::CompactionResult>(&actual)) {
      return Differs("header revision", expected.revision, compaction->revision.value);
    }
    if (const auto* expiry = std::get_if<api::LeaseExpiryResult>(&actual)) {
      return Differs("header revision", expected.revision, expiry->revision.value);
    }
    const auto* revoke = std::get_if<api::LeaseRevokeResult>(&actual);
    return revoke == nullptr ? "an answer of another kind"
                             : Differs("header revision", expected.revision, revoke->revision.value);
  }
  std::string operator()(const AlarmAnswer& expected) const {
    const auto* alarm = std::get_if<api::AlarmResult>(&actual);
    if (alarm == nullptr) return "an answer of another kind";
    if (alarm->alarms != expected.alarms) return std::to_string(alarm->alarms.size()) + " alarms, other than expected";
    return Differs("header revision", expected.revision, alarm->revision.value);
  }
  std::string operator()(const GrantAnswer& expected) const {
    const auto* grant = std::get_if<api::LeaseGrantResult>(&actual);
    if (grant == nullptr) return "an answer of another kind";
    return FirstOf({Differs("header revision", expected.revision, grant->revision.value),
                    Differs("id", expected.id, grant->id.value), Differs("ttl", expected.ttl, grant->ttl)});
  }

 private:
  template <typename Result, typename Answer>
  std::string With(const Answer& expected) const {
    const auto* result = std::get_if<Result>(&actual);
    return result == nullptr ? "an answer of another kind" : Compare(expected, *result);
  }
};

}  // namespace

std::string CompareWrite(const api::WriteRequest& request, const absl::StatusOr<WriteAnswer>& expected,
                         const absl::StatusOr<api::WriteResult>& actual) {
  if (!expected.ok() || !actual.ok()) return Differs(expected.status(), actual.status());
  return std::visit(WriteComparison{request, *actual}, *expected);
}

std::string CompareRange(const api::RangeRequest& request, const absl::StatusOr<RangeAnswer>& expected,
                         const absl::StatusOr<api::RangeResult>& actual) {
  if (!expected.ok() || !actual.ok()) return Differs(expected.status(), actual.status());
  return Compare(request, *expected, *actual);
}

std::string CompareReadTxn(const api::TxnRequest& request, const absl::StatusOr<TxnAnswer>& expected,
                           const absl::StatusOr<api::TxnResult>& actual) {
  if (!expected.ok() || !actual.ok()) return Differs(expected.status(), actual.status());
  return Compare(request, *expected, *actual, Level::kTop);
}

std::string CompareEvent(const ModelEvent& expected, const storage::Event& actual, Previous previous) {
  const std::string where = "event of " + Printable(expected.kv.key) + " at " + std::to_string(expected.revision);
  const bool deletion = actual.type == storage::Event::Type::kDelete;
  if (actual.revision.value != expected.revision || actual.key != expected.kv.key || deletion != expected.deletion) {
    return where + ": expected a " + (expected.deletion ? "delete" : "put") + ", got a " +
           (deletion ? "delete" : "put") + " of " + Printable(actual.key) + " at " +
           std::to_string(actual.revision.value);
  }
  const std::optional<KeyValue> kv = DecodeRest(actual.key, actual.rest);
  if (!kv) return where + ": no canonical encoding";
  if (std::string difference = Differs(where, expected.kv, kv); !difference.empty()) return difference;
  if (expected.kv.version == 1 && !actual.created) return where + ": not marked as created";
  if (actual.created && (deletion || !expected.created())) return where + ": marked as created";
  if (previous == Previous::kIgnored) return "";

  std::optional<KeyValue> wanted = expected.created() ? std::nullopt : expected.previous;
  std::optional<KeyValue> shown;
  if (actual.previous_known && actual.previous && !expected.created()) {
    shown = DecodeRest(actual.key, *actual.previous);
    if (!shown) return where + ": previous is no canonical encoding";
  }
  return Differs(where + " previous", wanted, shown);
}

std::string CompareEvents(const std::vector<ModelEvent>& expected, const std::vector<storage::Event>& actual,
                          int64_t compacted, Previous previous) {
  size_t position = 0;
  for (const ModelEvent& event : expected) {
    std::string difference = "missing at the end: " + Describe(event.kv);
    if (position < actual.size()) difference = CompareEvent(event, actual[position], previous);
    if (difference.empty()) {
      ++position;
    } else if (!event.superseded || event.revision != compacted) {
      return difference;
    }
  }
  if (position < actual.size()) {
    return "one too many: " + Printable(actual[position].key) + " at " +
           std::to_string(actual[position].revision.value);
  }
  return "";
}

namespace {

void Mix(uint64_t* hash, uint64_t value) { *hash = (*hash ^ value) * 0x9E3779B97F4A7C15ull + (*hash >> 29); }
void Mix(uint64_t* hash, std::string_view bytes) { Mix(hash, std::hash<std::string_view>{}(bytes)); }
void Mix(uint64_t* hash, const api::KeyValueList& list) {
  std::string joined;
  for (const std::string& chunk : list.chunks()) joined += chunk;
  Mix(hash, joined);
}

void MixResult(uint64_t* hash, const api::RangeResult& result) {
  Mix(hash, static_cast<uint64_t>(result.revision.value));
  Mix(hash, static_cast<uint64_t>(result.count) * 2 + result.more);
  Mix(hash, result.kvs);
}
void MixResult(uint64_t* hash, const api::PutResult& result) {
  Mix(hash, static_cast<uint64_t>(result.revision.value));
  Mix(hash, result.prev_kv.value_or("none"));
}
void MixResult(uint64_t* hash, const api::DeleteRangeResult& result) {
  Mix(hash, static_cast<uint64_t>(result.revision.value));
  Mix(hash, static_cast<uint64_t>(result.deleted));
  Mix(hash, result.prev_kvs);
}
void MixResult(uint64_t* hash, const api::TxnResult& result) {
  Mix(hash, static_cast<uint64_t>(result.revision.value) * 2 + result.succeeded);
  for (const api::ResponseOp& response : result.responses) {
    Mix(hash, response.index());
    if (const auto* nested = std::get_if<std::shared_ptr<const api::TxnResult>>(&response)) {
      MixResult(hash, **nested);
    } else {
      std::visit(
          [&](const auto& one) {
            if constexpr (requires { one.revision; }) MixResult(hash, one);
          },
          response);
    }
  }
}
void MixResult(uint64_t* hash, const api::LeaseGrantResult& result) {
  Mix(hash, static_cast<uint64_t>(result.revision.value));
  Mix(hash, static_cast<uint64_t>(result.id.value) ^ static_cast<uint64_t>(result.ttl));
}
void MixResult(uint64_t* hash, const api::AlarmResult& result) {
  Mix(hash, static_cast<uint64_t>(result.revision.value));
  for (const api::AlarmMember& alarm : result.alarms)
    Mix(hash, alarm.member_id * 4 + static_cast<uint64_t>(alarm.alarm));
}
template <typename RevisionOnly>
void MixResult(uint64_t* hash, const RevisionOnly& result) {
  Mix(hash, static_cast<uint64_t>(result.revision.value));
}

}  // namespace

uint64_t Fingerprint(const absl::StatusOr<api::WriteResult>& result) {
  uint64_t hash = 1;
  if (!result.ok()) {
    Mix(&hash, result.status().ToString());
  } else {
    Mix(&hash, result->index());
    std::visit([&](const auto& one) { MixResult(&hash, one); }, *result);
  }
  return hash;
}

uint64_t Fingerprint(const storage::Event& event) {
  uint64_t hash = static_cast<uint64_t>(event.revision.value) * 4 + (event.type == storage::Event::Type::kDelete) * 2 +
                  event.created;
  Mix(&hash, event.key);
  Mix(&hash, event.rest);
  Mix(&hash, event.previous.value_or("none"));
  return hash;
}

}  // namespace regent::model
