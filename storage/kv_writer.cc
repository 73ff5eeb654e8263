#include "storage/kv_writer.h"

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

#include "api/contract/errors.h"
#include "api/contract/key_range.h"
#include "api/contract/status_macros.h"
#include "glog/logging.h"
#include "storage/compare.h"

namespace regent::storage {
namespace {

using NestedTxn = std::shared_ptr<const api::TxnRequest>;

const std::vector<api::RequestOp>& Branch(const api::TxnRequest& request, bool succeeded) {
  return succeeded ? request.success : request.failure;
}

bool NeedsPrevious(const api::PutRequest& put) { return put.prev_kv || put.ignore_value || put.ignore_lease; }

// A range delete writes as many rows as there are keys, ignore_value as much as the previous value.
bool IsBounded(const api::RequestOp& operation);
bool IsBounded(const api::TxnRequest& txn) {
  const auto bounded = [](const api::RequestOp& operation) { return IsBounded(operation); };
  return std::all_of(txn.success.begin(), txn.success.end(), bounded) &&
         std::all_of(txn.failure.begin(), txn.failure.end(), bounded);
}
bool IsBounded(const api::RequestOp& operation) {
  if (const auto* put = std::get_if<api::PutRequest>(&operation)) return !put->ignore_value;
  if (const auto* range = std::get_if<api::DeleteRangeRequest>(&operation)) return api::IsSingleKey(range->range_end);
  if (const auto* nested = std::get_if<NestedTxn>(&operation)) return IsBounded(**nested);
  return true;
}

}  // namespace

absl::StatusOr<api::PutResult> KvWriter::Put(const api::PutRequest& request) {
  const absl::Status status = Check(request);
  if (!status.ok()) {
    EndPhase();
    return status;
  }
  phase_ = {};  // etcd looks the previous value up once
  api::PutResult result = RunPut(request);
  EndPhase();
  return result;
}

absl::Status KvWriter::Check(const api::PutRequest& request) {
  if (request.lease.value != 0 && !mvcc_.leases().Contains(request.lease.value)) return api::ErrLeaseNotFound();
  phase_.ranges += NeedsPrevious(request) ? 1 : 0;
  if ((request.ignore_value || request.ignore_lease) && !mvcc_.FindHead(request.key).live) return api::ErrKeyNotFound();
  return absl::OkStatus();
}

absl::Status KvWriter::Check(const api::RangeRequest& request) const {
  return CheckTxnRevision(request.revision, mvcc_.revision(), mvcc_.counters().compacted);
}

api::PutResult KvWriter::RunPut(const api::PutRequest& request) {
  const Head& before = mvcc_.FindHead(request.key);
  const int64_t lease = request.ignore_lease ? (before.live ? before.lease : 0) : request.lease.value;
  api::PutResult result;
  std::string previous;  // stays empty when a delete of the same transaction took the key that ignore_value counted on
  std::string_view value = request.value;
  if (before.live && (request.prev_kv || request.ignore_value)) {
    previous = mvcc_.RestOf(request.key, before);
    if (request.prev_kv) result.prev_kv = api::EncodeKeyValue(request.key, previous);
  }
  if (request.ignore_value && !previous.empty()) {
    const absl::StatusOr<api::KeyValueRest> kv = api::DecodeKeyValueRest(previous);
    CHECK(kv.ok()) << kv.status();
    value = kv->value;
  }
  phase_.ranges += NeedsPrevious(request) ? 1 : 0;
  phase_.puts += 1;
  phase_.put_bytes += request.key.size() + value.size();
  mvcc_.Put(request.key, value, lease);
  result.revision.value = mvcc_.visible_revision();
  return result;
}

api::DeleteRangeResult KvWriter::DeleteRange(const api::DeleteRangeRequest& request) {
  api::DeleteRangeResult result = RunDelete(request);
  EndPhase();
  return result;
}

api::DeleteRangeResult KvWriter::RunDelete(const api::DeleteRangeRequest& request) {
  phase_.ranges += request.prev_kv ? 1 : 0;
  phase_.deletes += 1;
  api::DeleteRangeResult result;
  if (api::IsSingleKey(request.range_end)) {
    const Head head = mvcc_.FindHead(request.key);
    if (head.live) DeleteOne(request.key, head, request.prev_kv, result);
  } else {
    mvcc_.VisitRange(request.key, request.range_end, [&](std::string_view key, const Head& head) {
      DeleteOne(key, head, request.prev_kv, result);
      return true;
    });
  }
  result.revision.value = mvcc_.visible_revision();
  return result;
}

void KvWriter::DeleteOne(std::string_view key, const Head& head, bool with_previous, api::DeleteRangeResult& result) {
  if (with_previous) result.prev_kvs.Add(key, mvcc_.RestOf(key, head));
  mvcc_.Delete(key, head);
  ++result.deleted;
}

absl::StatusOr<api::TxnResult> KvWriter::Txn(const api::TxnRequest& request) {
  Path path;
  Choose(request, path);
  size_t step = 0;
  const absl::Status status = Check(request, path, step);
  EndPhase();
  REGENT_RETURN_IF_ERROR(status);
  step = 0;
  api::TxnResult result = RunTxn(request, path, step);
  EndPhase();
  result.revision.value = mvcc_.visible_revision();
  return result;
}

// As etcd counts: by phase (what is looked at before a transaction writes is a transaction of its own), and a phase of
// one operation is none.
void KvWriter::EndPhase() {
  phase_.txns = phase_.ranges + phase_.puts + phase_.deletes > 1 ? 1 : 0;
  counts_ += std::exchange(phase_, {});
}

bool KvWriter::Holds(const api::Compare& compare) {
  phase_.ranges += 1;
  if (!api::IsSingleKey(compare.range_end)) {
    const absl::StatusOr<bool> holds = HoldsAt(compare, mvcc_.rows(), mvcc_.newest());
    CHECK(holds.ok()) << holds.status();
    return *holds;
  }
  const Head& head = mvcc_.FindHead(compare.key);
  if (!head.live) return storage::Holds(compare, std::nullopt);
  api::KeyValueRest kv{.create_revision = {head.create_revision},
                       .mod_revision = {head.position.revision},
                       .version = head.version,
                       .value = {},
                       .lease = {head.lease}};
  if (compare.target != api::Compare::Target::kValue) return storage::Holds(compare, kv);
  const std::string rest = mvcc_.RestOf(compare.key, head);
  const absl::StatusOr<api::KeyValueRest> whole = api::DecodeKeyValueRest(rest);
  CHECK(whole.ok()) << whole.status();
  return storage::Holds(compare, *whole);
}

void KvWriter::Choose(const api::TxnRequest& request, Path& path) {
  const bool succeeded = std::all_of(request.compare.begin(), request.compare.end(),
                                     [this](const api::Compare& compare) { return Holds(compare); });
  path.push_back(succeeded);
  for (const api::RequestOp& operation : Branch(request, succeeded)) {
    if (const auto* nested = std::get_if<NestedTxn>(&operation)) Choose(**nested, path);
  }
}

absl::Status KvWriter::Check(const api::TxnRequest& request, const Path& path, size_t& step) {
  for (const api::RequestOp& operation : Branch(request, path[step++])) {
    if (const auto* range = std::get_if<api::RangeRequest>(&operation)) {
      REGENT_RETURN_IF_ERROR(Check(*range));
    } else if (const auto* put = std::get_if<api::PutRequest>(&operation)) {
      REGENT_RETURN_IF_ERROR(Check(*put));
    } else if (const auto* nested = std::get_if<NestedTxn>(&operation)) {
      REGENT_RETURN_IF_ERROR(Check(**nested, path, step));
    }
  }
  return absl::OkStatus();
}

// The revision of the header is the caller's: etcd fills in the outermost one alone.
api::TxnResult KvWriter::RunTxn(const api::TxnRequest& request, const Path& path, size_t& step) {
  api::TxnResult result;
  result.succeeded = path[step++];
  for (const api::RequestOp& operation : Branch(request, result.succeeded)) {
    result.responses.push_back(Run(operation, path, step));
  }
  return result;
}

api::ResponseOp KvWriter::Run(const api::RequestOp& operation, const Path& path, size_t& step) {
  if (const auto* range = std::get_if<api::RangeRequest>(&operation)) {
    phase_.ranges += 1;
    absl::StatusOr<api::RangeResult> result = mvcc_.Range(*range);
    CHECK(result.ok()) << "a checked range failed: " << result.status();
    return *std::move(result);
  }
  if (const auto* put = std::get_if<api::PutRequest>(&operation)) return RunPut(*put);
  if (const auto* range = std::get_if<api::DeleteRangeRequest>(&operation)) return RunDelete(*range);
  return std::make_shared<const api::TxnResult>(RunTxn(*std::get<NestedTxn>(operation), path, step));
}

absl::StatusOr<api::LeaseRevokeResult> KvWriter::Revoke(api::LeaseId id) {
  if (!mvcc_.leases().Contains(id.value)) return api::ErrLeaseNotFound();
  for (const std::string& key : mvcc_.leases().Keys(id.value)) {
    const Head head = mvcc_.FindHead(key);
    CHECK(head.live && head.lease == id.value)
        << "lease " << id.value << " has a key that is not its own: '" << key << "'";
    phase_.deletes += 1;
    mvcc_.Delete(key, head);
  }
  EndPhase();
  mvcc_.leases().Remove(id.value);
  return api::LeaseRevokeResult{.revision = {mvcc_.visible_revision()}};
}

absl::Status CheckTxnRevision(api::Revision revision, int64_t current, int64_t compacted) {
  if (revision.value == 0) return absl::OkStatus();
  if (revision.value > current) return api::ErrFutureRevision();
  if (revision.value < compacted) return api::ErrCompacted();
  return absl::OkStatus();
}

EntrySize SizeOf(const api::WriteRequest& request) {
  bool bounded = true;
  if (const auto* put = std::get_if<api::PutRequest>(&request)) bounded = !put->ignore_value;
  if (const auto* range = std::get_if<api::DeleteRangeRequest>(&request)) bounded = api::IsSingleKey(range->range_end);
  if (const auto* txn = std::get_if<api::TxnRequest>(&request)) bounded = IsBounded(*txn);
  if (std::holds_alternative<api::LeaseRevokeRequest>(request)) bounded = false;
  if (std::holds_alternative<api::LeaseExpiryRequest>(request)) bounded = false;
  return bounded ? EntrySize::kBounded : EntrySize::kUnknown;
}

}  // namespace regent::storage
