// What an episode counts about its requests.
#include <algorithm>

#include "tests/model/driver.h"

namespace regent::model {

void Episode::CountRequest(const api::WriteRequest& request, const absl::StatusOr<WriteAnswer>& answer) {
  coverage_.edges().Count(request);
  const auto* carried_out = model_.over_quota() ? std::get_if<api::TxnRequest>(&request) : nullptr;
  if (carried_out != nullptr) CountTxn(*carried_out, 0);
  if (!answer.ok()) return CountError(answer.status());
  if (const auto* put = std::get_if<api::PutRequest>(&request)) {
    coverage_.Count("put");
    coverage_.Count("changes");
    if (put->value.size() >= 1 << 20) coverage_.Count("values of 1 MiB and more");
    if (std::get<PutAnswer>(*answer).previous) coverage_.Count("prev_kv");
  } else if (std::holds_alternative<api::DeleteRangeRequest>(request)) {
    const auto& deletion = std::get<DeleteAnswer>(*answer);
    coverage_.Count("delete range");
    coverage_.Count("changes", static_cast<uint64_t>(deletion.deleted));
    if (deletion.deleted >= 100) coverage_.Count("deletes of 100 keys and more");
  } else if (const auto* txn = std::get_if<api::TxnRequest>(&request)) {
    CountTxn(*txn, 0);
    coverage_.Count(std::get<TxnAnswer>(*answer).succeeded ? "compare true" : "compare false");
  } else if (std::holds_alternative<api::CompactionRequest>(request)) {
    coverage_.Count("compactions");
  } else if (std::holds_alternative<api::LeaseGrantRequest>(request)) {
    coverage_.Count("lease grant");
  } else if (const auto* alarm = std::get_if<api::AlarmRequest>(&request)) {
    if (alarm->action == api::AlarmAction::kActivate) coverage_.Count("alarm raised");
    if (alarm->action == api::AlarmAction::kDeactivate) coverage_.Count("alarm disarmed");
  } else {
    coverage_.Count(std::holds_alternative<api::LeaseExpiryRequest>(request) ? "lease expiry" : "lease revoke");
  }
}

void Episode::CountTxn(const api::TxnRequest& txn, int depth) {
  coverage_.Count(depth == 0 ? "transaction" : "nested transaction");
  for (const api::Compare& compare : txn.compare) {
    if (!compare.range_end.empty()) coverage_.Count("compare of a range");
  }
  for (const auto* branch : {&txn.success, &txn.failure}) {
    for (const api::RequestOp& operation : *branch) {
      if (const auto* nested = std::get_if<std::shared_ptr<const api::TxnRequest>>(&operation))
        CountTxn(**nested, depth + 1);
    }
  }
}

void Episode::CountRange(const api::RangeRequest& request, const absl::StatusOr<RangeAnswer>& answer, int64_t current) {
  coverage_.edges().Count(request);
  if (!answer.ok()) return CountError(answer.status());
  coverage_.Count("range");
  const bool old = request.revision.value > 0 && request.revision.value < current;
  if (old) coverage_.Count("range at an old revision");
  if (old && answer->count > 0) coverage_.Count("count at an old revision");
  if (request.sort_order != api::SortOrder::kNone || request.sort_target != api::SortTarget::kKey)
    coverage_.Count("range sorted");
  if (request.keys_only) coverage_.Count("range keys_only");
  if (request.count_only) coverage_.Count("range count_only");
  if (answer->more) coverage_.Count("range cut by the limit");
  if (request.min_mod_revision.value != 0 || request.max_mod_revision.value != 0 ||
      request.min_create_revision.value != 0 || request.max_create_revision.value != 0) {
    coverage_.Count("range filtered");
  }
}

void Episode::CountError(const absl::Status& status) {
  static constexpr std::pair<const char*, const char*> kErrors[] = {
      {"has been compacted", "error compacted"},      {"future revision", "error future revision"},
      {"key not found", "error key not found"},       {"lease not found", "error lease not found"},
      {"lease already exists", "error lease exists"}, {"space exceeded", "error no space"},
      {"corrupt cluster", "error corrupt"},           {"too large lease TTL", "error lease TTL too large"},
  };
  for (const auto& [text, name] : kErrors) {
    if (status.message().find(text) != absl::string_view::npos) coverage_.Count(name);
  }
}

}  // namespace regent::model
