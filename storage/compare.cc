#include "storage/compare.h"

#include <compare>
#include <string_view>

#include "api/contract/key_range.h"
#include "api/contract/status_macros.h"
#include "glog/logging.h"

namespace regent::storage {
namespace {

bool Satisfies(api::Compare::Result result, std::strong_ordering order) {
  switch (result) {
    case api::Compare::Result::kEqual:
      return order == 0;
    case api::Compare::Result::kGreater:
      return order > 0;
    case api::Compare::Result::kLess:
      return order < 0;
    case api::Compare::Result::kNotEqual:
      return order != 0;
  }
  LOG(FATAL) << "no such compare result: " << static_cast<int>(result);
  return false;
}

int64_t NumberOf(api::Compare::Target target, const api::KeyValueRest& kv) {
  switch (target) {
    case api::Compare::Target::kVersion:
      return kv.version;
    case api::Compare::Target::kCreate:
      return kv.create_revision.value;
    case api::Compare::Target::kMod:
      return kv.mod_revision.value;
    case api::Compare::Target::kLease:
      return kv.lease.value;
    case api::Compare::Target::kValue:
      break;
  }
  LOG(FATAL) << "no number for compare target " << static_cast<int>(target);
  return 0;
}

bool HoldsForRest(const api::Compare& compare, std::string_view rest) {
  const absl::StatusOr<api::KeyValueRest> kv = api::DecodeKeyValueRest(rest);
  CHECK(kv.ok()) << kv.status();
  return Holds(compare, *kv);
}

}  // namespace

bool Holds(const api::Compare& compare, const std::optional<api::KeyValueRest>& kv) {
  if (compare.target == api::Compare::Target::kValue) {
    return kv.has_value() && Satisfies(compare.result, kv->value <=> std::string_view(compare.value));
  }
  return Satisfies(compare.result, NumberOf(compare.target, kv.value_or(api::KeyValueRest{})) <=> compare.number);
}

absl::StatusOr<bool> HoldsAt(const api::Compare& compare, const RowSource& rows, Position through) {
  if (api::RangeIsEmpty(compare.key, compare.range_end)) return Holds(compare, std::nullopt);
  if (api::IsSingleKey(compare.range_end)) {
    REGENT_ASSIGN_OR_RETURN(const std::optional<Version> found, FindVersion(rows, compare.key, through));
    if (!found.has_value() || found->rest.empty()) return Holds(compare, std::nullopt);
    return HoldsForRest(compare, found->rest);
  }
  REGENT_ASSIGN_OR_RETURN(VersionCursor cursor,
                          OpenCursor(rows, {compare.key, VersionRowsEnd(compare.range_end)}, through));
  bool any = false;
  while (cursor.Next()) {
    if (!cursor.live()) continue;
    any = true;
    if (!HoldsForRest(compare, cursor.rest())) return false;
  }
  return any || Holds(compare, std::nullopt);
}

}  // namespace regent::storage
