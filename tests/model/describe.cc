// Requests as one line each, for the trace that a failure prints.
#include "tests/model/generator.h"

namespace regent::model {
namespace {

std::string Selected(const std::string& key, const std::string& range_end) {
  return range_end.empty() ? Printable(key) : "[" + Printable(key) + ", " + Printable(range_end) + ")";
}

std::string Flag(bool set, const char* name) { return set ? std::string(" ") + name : ""; }

std::string Number(int64_t value, const char* name) {
  return value == 0 ? "" : " " + std::string(name) + " " + std::to_string(value);
}

std::string Describe(const api::PutRequest& put) {
  return "put " + Printable(put.key) + " = " + Printable(put.value) + Number(put.lease.value, "lease") +
         Flag(put.prev_kv, "prev_kv") + Flag(put.ignore_value, "ignore_value") + Flag(put.ignore_lease, "ignore_lease");
}

std::string Describe(const api::DeleteRangeRequest& deletion) {
  return "delete " + Selected(deletion.key, deletion.range_end) + Flag(deletion.prev_kv, "prev_kv");
}

std::string Describe(const api::Compare& compare) {
  static constexpr const char* kTargets[] = {"version", "create", "mod", "value", "lease"};
  static constexpr const char* kResults[] = {"==", ">", "<", "!="};
  return std::string(kTargets[static_cast<int>(compare.target)]) + "(" + Selected(compare.key, compare.range_end) +
         ") " + kResults[static_cast<int>(compare.result)] + " " +
         (compare.target == api::Compare::Target::kValue ? Printable(compare.value) : std::to_string(compare.number));
}

std::string DescribeBranch(const std::vector<api::RequestOp>& operations) {
  std::string out = "{";
  for (const api::RequestOp& operation : operations) {
    if (out.size() > 1) out += "; ";
    if (const auto* put = std::get_if<api::PutRequest>(&operation)) out += Describe(*put);
    if (const auto* deletion = std::get_if<api::DeleteRangeRequest>(&operation)) out += Describe(*deletion);
    if (const auto* range = std::get_if<api::RangeRequest>(&operation)) out += model::Describe(*range);
    if (const auto* nested = std::get_if<std::shared_ptr<const api::TxnRequest>>(&operation))
      out += model::Describe(**nested);
  }
  return out + "}";
}

}  // namespace

std::string Describe(const api::RangeRequest& range) {
  static constexpr const char* kOrders[] = {"", " ascending", " descending"};
  static constexpr const char* kTargets[] = {"", " by version", " by create", " by mod", " by value"};
  return "range " + Selected(range.key, range.range_end) + Number(range.revision.value, "at") +
         Number(range.limit, "limit") + kOrders[static_cast<int>(range.sort_order)] +
         kTargets[static_cast<int>(range.sort_target)] + Flag(range.keys_only, "keys_only") +
         Flag(range.count_only, "count_only") + Number(range.min_mod_revision.value, "min_mod") +
         Number(range.max_mod_revision.value, "max_mod") + Number(range.min_create_revision.value, "min_create") +
         Number(range.max_create_revision.value, "max_create");
}

std::string Describe(const api::TxnRequest& txn) {
  std::string out = "txn if";
  for (const api::Compare& compare : txn.compare) out += " " + Describe(compare);
  return out + " then " + DescribeBranch(txn.success) + " else " + DescribeBranch(txn.failure);
}

std::string Describe(const api::WriteRequest& request) {
  if (const auto* put = std::get_if<api::PutRequest>(&request)) return Describe(*put);
  if (const auto* deletion = std::get_if<api::DeleteRangeRequest>(&request)) return Describe(*deletion);
  if (const auto* txn = std::get_if<api::TxnRequest>(&request)) return Describe(*txn);
  if (const auto* compaction = std::get_if<api::CompactionRequest>(&request)) {
    return "compact " + std::to_string(compaction->revision.value);
  }
  if (const auto* grant = std::get_if<api::LeaseGrantRequest>(&request)) {
    return "grant " + std::to_string(grant->id.value) + " ttl " + std::to_string(grant->ttl);
  }
  if (const auto* revoke = std::get_if<api::LeaseRevokeRequest>(&request))
    return "revoke " + std::to_string(revoke->id.value);
  if (const auto* expiry = std::get_if<api::LeaseExpiryRequest>(&request)) {
    std::string out = "expire";
    for (const api::LeaseId id : expiry->ids) out += " " + std::to_string(id.value);
    return out;
  }
  const auto& alarm = std::get<api::AlarmRequest>(request);
  return "alarm action " + std::to_string(static_cast<int>(alarm.action)) + " member " +
         std::to_string(alarm.member_id) + " type " + std::to_string(static_cast<int>(alarm.alarm));
}

}  // namespace regent::model
