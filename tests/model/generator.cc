#include "tests/model/generator.h"

#include <climits>
#include <cstdio>

namespace regent::model {
namespace {

using std::string_literals::operator""s;

constexpr size_t kHugeValueBytes = 1536 * 1024 - 200;

std::vector<std::string> AdversarialKeys() {
  return {"a"s,
          "a\0"s,
          "a\0\0"s,
          "a\0\x01"s,
          "a\0\xff"s,
          "a\x01"s,
          "a\xff"s,
          "a\xff\xff"s,
          "aa"s,
          "ab"s,
          "ab\0b"s,
          "b"s,
          "b\0"s,
          "\0"s,
          "\0\0"s,
          "\0\x01"s,
          "\0\xff"s,
          "\x01"s,
          "\x01\0"s,
          "\xff"s,
          "\xff\0"s,
          "\xff\xff"s,
          "\xfe\xff"s,
          "/"s,
          "/registry/"s,
          "/registry/pods/a"s,
          "/registry/pods/b"s,
          "/registry/pods0"s,
          std::string(300, 'k'),
          std::string(300, 'k') + "\0"s};
}

std::vector<std::string> ManyKeys(size_t count) {
  std::vector<std::string> keys;
  for (size_t i = 0; i < count; ++i) {
    char text[48];
    std::snprintf(text, sizeof text, "/registry/%s/n%zu/%05zu",
                  i % 3 == 0   ? "pods"
                  : i % 3 == 1 ? "leases"
                               : "events",
                  i % 7, i);
    keys.emplace_back(text);
  }
  return keys;
}

std::string PrefixEnd(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (prefix.empty()) return "\0"s;
  prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

}  // namespace

Generator::Generator(Random& random, const Model& model, Profile profile)
    : random_(random),
      model_(model),
      profile_(profile),
      keys_(profile.keys == Profile::Keys::kAdversarial ? AdversarialKeys() : ManyKeys(profile.key_count)) {}

api::WriteRequest Generator::Write() {
  // An alarm refuses most of what comes, so it does not stay long.
  if (model_.alarms().empty() ? random_.OneIn(300) : random_.OneIn(6)) return Alarm();
  const uint64_t dice = random_.Below(100);
  if (dice < 9) return Txn(0);
  if (dice < 12) return Grant();
  if (random_.OneIn(80)) return Expiry();
  if (dice < 14)
    return api::LeaseRevokeRequest{.id = {random_.OneIn(6) ? random_.Pick<int64_t>({999, 0, 1}) : Lease()}};
  if (random_.OneIn(profile_.delete_one_in)) return Delete();
  return Put();
}

std::string Generator::Value() {
  if (random_.OneIn(12)) return "";
  // The same few values at times, so that compares and sorts by value meet equals.
  if (random_.OneIn(4)) return random_.Pick<std::string>({"x", "y", "\xff", "x\0"s});
  const bool huge = profile_.huge_value_one_in != 0 && random_.OneIn(profile_.huge_value_one_in);
  std::string value(huge ? kHugeValueBytes : random_.Below(profile_.value_bytes_max), 'v');
  value += std::to_string(++values_made_);
  return value;
}

int64_t Generator::Lease() {
  if (model_.leases().empty() || random_.OneIn(15))
    return random_.Pick<int64_t>({1, 2, 3, -1, INT64_MAX, INT64_MIN, 77});
  auto lease = model_.leases().begin();
  std::advance(lease, random_.Below(model_.leases().size()));
  return lease->first;
}

api::LeaseGrantRequest Generator::Grant() {
  const int64_t id = random_.Pick<int64_t>({1, 2, 3, 4, 5, 6, 7, 8, 1000, 0, -1, INT64_MAX, INT64_MIN});
  const int64_t edge = random_.Pick<int64_t>({9'000'000'000, 9'000'000'001, INT64_MAX, INT64_MIN, -1, 0, 1});
  return {.id = {id}, .ttl = random_.OneIn(10) ? edge : random_.Between(2, 600)};
}

api::LeaseExpiryRequest Generator::Expiry() {
  api::LeaseExpiryRequest expiry;
  for (uint64_t left = 1 + random_.Below(5); left > 0; --left) {
    expiry.ids.push_back({random_.OneIn(6) ? 999 : Lease()});  // one that never was, and the same one twice, at times
  }
  return expiry;
}

api::AlarmRequest Generator::Alarm() {
  api::AlarmRequest alarm{.member_id = 7 + random_.Below(2)};
  alarm.alarm = random_.OneIn(4) ? api::AlarmType::kCorrupt : api::AlarmType::kNoSpace;
  alarm.action = api::AlarmAction::kActivate;
  if (random_.OneIn(10)) {
    alarm.action = api::AlarmAction::kGet;
    if (random_.OneIn(2)) alarm.alarm = api::AlarmType::kNone;
  } else if (!model_.alarms().empty()) {
    alarm = {.action = api::AlarmAction::kDeactivate,
             .member_id = model_.alarms().begin()->member_id,
             .alarm = model_.alarms().begin()->alarm};
  } else if (random_.OneIn(10)) {
    alarm.action = api::AlarmAction::kDeactivate;
  }
  return alarm;
}

api::PutRequest Generator::Put() {
  api::PutRequest put{.key = Key()};
  put.prev_kv = random_.OneIn(3);
  put.ignore_value = random_.OneIn(20);
  put.ignore_lease = random_.OneIn(20);
  if (!put.ignore_value) put.value = Value();
  if (!put.ignore_lease && random_.OneIn(5)) put.lease = {Lease()};
  return put;
}

api::DeleteRangeRequest Generator::Delete() {
  api::DeleteRangeRequest deletion{.key = Key(), .prev_kv = random_.OneIn(2)};
  if (random_.OneIn(3)) deletion.range_end = RangeEnd(deletion.key);
  // Everything from a key on is rare: it empties the store.
  if (deletion.range_end == "\0"s && !random_.OneIn(6)) deletion.range_end.clear();
  return deletion;
}

std::string Generator::RangeEnd(const std::string& key) {
  if (random_.OneIn(profile_.wide_one_in)) return "\0"s;
  switch (random_.Below(5)) {
    case 0:
      return PrefixEnd(key);
    case 1:
      return key + "\0"s;
    case 2:
      return key.size() > 3 ? PrefixEnd(key.substr(0, key.size() - 1 - random_.Below(3))) : key;
    default:
      return Key();  // often at or below `key`: an empty range
  }
}

std::pair<std::string, std::string> Generator::Selection() {
  if (random_.OneIn(profile_.wide_one_in)) return {"\0"s, "\0"s};
  std::string key = Key();
  std::string range_end = random_.OneIn(2) ? RangeEnd(key) : "";
  return {std::move(key), std::move(range_end)};
}

int64_t Generator::Revision(int64_t current) {
  const int64_t oldest = std::max<int64_t>(model_.compacted(), 1);
  if (random_.OneIn(12)) {
    return random_.Pick<int64_t>(
        {model_.compacted() - 1, current + 1, INT64_MAX, -1, INT64_MIN, current, model_.compacted(), 1});
  }
  return oldest >= current ? current : random_.Between(oldest, current);
}

int64_t Generator::Limit() {
  return random_.Pick<int64_t>({0, 0, 0, 1, 2, 3, 5, 10, 100, -1, INT64_MAX, INT64_MAX - 1, INT64_MIN});
}

api::RangeRequest Generator::Range(int64_t current) {
  api::RangeRequest range;
  std::tie(range.key, range.range_end) = Selection();
  range.limit = Limit();
  if (random_.OneIn(3)) range.revision = {Revision(current)};
  if (random_.OneIn(4)) {
    range.sort_order =
        random_.Pick<api::SortOrder>({api::SortOrder::kNone, api::SortOrder::kAscend, api::SortOrder::kDescend});
    range.sort_target = static_cast<api::SortTarget>(random_.Below(5));
  }
  range.keys_only = random_.OneIn(6);
  range.count_only = random_.OneIn(6);
  range.serializable = random_.OneIn(2);
  if (random_.OneIn(6)) {
    api::Revision* filter = random_.Pick<api::Revision*>(
        {&range.min_mod_revision, &range.max_mod_revision, &range.min_create_revision, &range.max_create_revision});
    filter->value =
        random_.OneIn(8) ? random_.Pick<int64_t>({-1, 1, INT64_MAX, INT64_MIN}) : random_.Between(1, current);
  }
  return range;
}

void Generator::SetOperand(api::Compare* compare) {
  const std::optional<KeyValue> kv = model_.Find(compare->key);
  if (compare->target == api::Compare::Target::kValue) {
    compare->value =
        kv && random_.OneIn(2) ? std::string(kv->value_view()) : random_.Pick<std::string>({"", "x", "y", "\xff"});
    return;
  }
  if (random_.OneIn(3)) {
    compare->number = random_.Pick<int64_t>({0, 1, -1, INT64_MAX, INT64_MIN, model_.revision()});
  } else if (kv) {
    switch (compare->target) {
      case api::Compare::Target::kVersion:
        compare->number = kv->version;
        break;
      case api::Compare::Target::kCreate:
        compare->number = kv->create;
        break;
      case api::Compare::Target::kMod:
        compare->number = kv->mod;
        break;
      default:
        compare->number = kv->lease;
    }
  }
}

api::Compare Generator::Compare() {
  api::Compare compare;
  compare.key = Key();
  compare.result = static_cast<api::Compare::Result>(random_.Below(4));
  compare.target = static_cast<api::Compare::Target>(random_.Below(5));
  SetOperand(&compare);
  if (random_.OneIn(5)) compare.range_end = RangeEnd(compare.key);
  return compare;
}

std::vector<api::RequestOp> Generator::Operations(int depth) {
  std::vector<api::RequestOp> operations;
  for (uint64_t left = random_.Below(random_.OneIn(20) ? 60 : 5); left > 0; --left) {
    const uint64_t dice = random_.Below(10);
    if (dice < 4) {
      api::PutRequest put = Put();
      // A key changed earlier in the same transaction: what "missing" means for these flags is left open.
      put.ignore_value = put.ignore_value && operations.empty() && depth == 0;
      put.ignore_lease = put.ignore_lease && operations.empty() && depth == 0;
      operations.emplace_back(std::move(put));
    } else if (dice < 6) {
      operations.emplace_back(Delete());
    } else if (dice < 9 || depth >= 3) {
      api::RangeRequest range = Range(model_.revision());
      if (!random_.OneIn(6)) range.revision = {};  // most of its edges fail the whole transaction
      operations.emplace_back(std::move(range));
    } else {
      operations.emplace_back(std::make_shared<const api::TxnRequest>(Txn(depth + 1)));
    }
  }
  return operations;
}

api::TxnRequest Generator::Txn(int depth) {
  api::TxnRequest txn;
  for (uint64_t left = random_.Below(3); left > 0; --left) txn.compare.push_back(Compare());
  txn.success = Operations(depth);
  txn.failure = Operations(depth);
  return txn;
}

api::TxnRequest Generator::ReadTxn(int64_t current) {
  api::TxnRequest txn;
  for (uint64_t left = random_.Below(3); left > 0; --left) txn.compare.push_back(Compare());
  for (auto* branch : {&txn.success, &txn.failure}) {
    for (uint64_t left = random_.Below(4); left > 0; --left) branch->emplace_back(Range(current));
  }
  return txn;
}

api::CompactionRequest Generator::Compaction() {
  const int64_t oldest = std::max<int64_t>(model_.compacted(), 1);
  if (random_.OneIn(5)) {
    return {.revision = {random_.Pick<int64_t>(
                {0, 1, -1, INT64_MIN, INT64_MAX, model_.compacted(), model_.revision(), model_.revision() + 1})}};
  }
  return {.revision = {random_.Between(oldest, model_.revision())}};
}

}  // namespace regent::model
