#include "storage/quota.h"

#include <algorithm>
#include <memory>
#include <variant>
#include <vector>

namespace regent::storage {
namespace {

using NestedTxn = std::shared_ptr<const api::TxnRequest>;

constexpr int64_t kPutOverheadBytes = 256;

int64_t PutCost(const api::PutRequest& put) {
  return kPutOverheadBytes + static_cast<int64_t>(put.key.size() + put.value.size());
}

int64_t TxnCost(const api::TxnRequest& txn) {
  const auto branch = [](const std::vector<api::RequestOp>& operations) {
    int64_t cost = 0;
    for (const api::RequestOp& operation : operations) {
      if (const auto* put = std::get_if<api::PutRequest>(&operation)) cost += PutCost(*put);
      const auto* nested = std::get_if<NestedTxn>(&operation);
      if (nested != nullptr && *nested != nullptr) cost += TxnCost(**nested);
    }
    return cost;
  };
  return std::max(branch(txn.success), branch(txn.failure));
}

}  // namespace

int64_t QuotaCost(const api::WriteRequest& request) {
  if (const auto* put = std::get_if<api::PutRequest>(&request)) return PutCost(*put);
  if (const auto* txn = std::get_if<api::TxnRequest>(&request)) return TxnCost(*txn);
  return std::holds_alternative<api::LeaseGrantRequest>(request) ? kLeaseBytes : 0;
}

bool FitsQuota(const api::WriteRequest& request, int64_t logical_bytes, int64_t quota_bytes) {
  if (quota_bytes <= 0) return true;
  const int64_t cost = QuotaCost(request);
  return cost == 0 || kEmptyStoreBytes + logical_bytes + cost < quota_bytes;
}

}  // namespace regent::storage
