#include "api/contract/validate.h"

#include <algorithm>
#include <map>
#include <set>
#include <variant>

#include "absl/status/statusor.h"
#include "api/contract/errors.h"
#include "api/contract/key_range.h"
#include "api/contract/status_macros.h"

namespace regent::api {
namespace {

using NestedTxn = std::shared_ptr<const TxnRequest>;

// A union of key intervals. The bytes belong to the request.
class KeySet {
 public:
  // An interval without keys, as [key, "\0") is when taken literally, adds nothing.
  void AddRange(std::string_view key, std::string_view range_end) {
    if (IsSingleKey(range_end)) {
      points_.insert(key);
    } else if (key < range_end) {
      AddInterval(key, range_end);
    }
  }

  void Add(const KeySet& other) {
    points_.insert(other.points_.begin(), other.points_.end());
    for (const auto& [begin, end] : other.intervals_) AddInterval(begin, end);
  }

  bool Contains(std::string_view key) const {
    if (points_.contains(key)) return true;
    auto after = intervals_.upper_bound(key);
    return after != intervals_.begin() && key < std::prev(after)->second;
  }

 private:
  void AddInterval(std::string_view begin, std::string_view end) {
    auto at = intervals_.upper_bound(begin);
    if (at != intervals_.begin() && std::prev(at)->second >= begin) --at;
    while (at != intervals_.end() && at->first <= end) {
      begin = std::min(begin, at->first);
      end = std::max(end, at->second);
      at = intervals_.erase(at);
    }
    intervals_.emplace(begin, end);
  }

  std::set<std::string_view> points_;
  std::map<std::string_view, std::string_view> intervals_;  // begin → end; disjoint
};

// What the operations of a branch, nested transactions included, may put and delete.
struct Changes {
  std::set<std::string_view> puts;
  KeySet deletes;
};

absl::StatusOr<Changes> CheckDuplicates(const std::vector<RequestOp>& ops);

// Puts `key` may not be in `changes.deletes`, and not in `changes.puts` unless `other_branch` has put it.
absl::Status AddPut(std::string_view key, const std::set<std::string_view>* other_branch, Changes* changes) {
  const bool new_key = changes->puts.insert(key).second;
  const bool may_repeat = other_branch != nullptr && other_branch->contains(key);
  if ((!new_key && !may_repeat) || changes->deletes.Contains(key)) return ErrDuplicateKey();
  return absl::OkStatus();
}

absl::Status AddNested(const TxnRequest& txn, Changes* changes) {
  REGENT_ASSIGN_OR_RETURN(const Changes success, CheckDuplicates(txn.success));
  REGENT_ASSIGN_OR_RETURN(const Changes failure, CheckDuplicates(txn.failure));
  for (std::string_view key : success.puts) REGENT_RETURN_IF_ERROR(AddPut(key, nullptr, changes));
  for (std::string_view key : failure.puts) REGENT_RETURN_IF_ERROR(AddPut(key, &success.puts, changes));
  changes->deletes.Add(success.deletes);
  changes->deletes.Add(failure.deletes);
  return absl::OkStatus();
}

// The order matters and is etcd's: deletes of this level, nested transactions in turn, puts of this level.
absl::StatusOr<Changes> CheckDuplicates(const std::vector<RequestOp>& ops) {
  Changes changes;
  for (const RequestOp& op : ops) {
    if (const auto* request = std::get_if<DeleteRangeRequest>(&op))
      changes.deletes.AddRange(request->key, request->range_end);
  }
  for (const RequestOp& op : ops) {
    if (const auto* txn = std::get_if<NestedTxn>(&op)) REGENT_RETURN_IF_ERROR(AddNested(**txn, &changes));
  }
  for (const RequestOp& op : ops) {
    if (const auto* request = std::get_if<PutRequest>(&op))
      REGENT_RETURN_IF_ERROR(AddPut(request->key, nullptr, &changes));
  }
  return changes;
}

// One plain operation has nothing to conflict with: the transactions of Kubernetes end here.
absl::Status CheckBranch(const std::vector<RequestOp>& ops) {
  if (ops.empty() || (ops.size() == 1 && !std::holds_alternative<NestedTxn>(ops.front()))) return absl::OkStatus();
  return CheckDuplicates(ops).status();
}

absl::Status CheckOps(const TxnRequest& request, size_t ops_max);

absl::Status CheckOp(const RequestOp& op, size_t ops_max) {
  if (const auto* range = std::get_if<RangeRequest>(&op)) return Validate(*range);
  if (const auto* put = std::get_if<PutRequest>(&op)) return Validate(*put);
  if (const auto* delete_range = std::get_if<DeleteRangeRequest>(&op)) return Validate(*delete_range);
  const NestedTxn& txn = std::get<NestedTxn>(op);
  if (txn == nullptr) return ErrKeyNotFound();  // an operation without content; the error is etcd's
  return CheckOps(*txn, ops_max);
}

absl::Status CheckOps(const TxnRequest& request, size_t ops_max) {
  const size_t ops = std::max({request.compare.size(), request.success.size(), request.failure.size()});
  if (ops > ops_max) return ErrTooManyOps();
  for (const Compare& compare : request.compare) {
    if (compare.key.empty()) return ErrEmptyKey();
  }
  for (const RequestOp& op : request.success) REGENT_RETURN_IF_ERROR(CheckOp(op, ops_max - ops));
  for (const RequestOp& op : request.failure) REGENT_RETURN_IF_ERROR(CheckOp(op, ops_max - ops));
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const RangeRequest& request) {
  if (request.key.empty()) return ErrEmptyKey();
  if (request.sort_order > SortOrder::kDescend) return ErrInvalidSortOption();
  if (request.sort_target > SortTarget::kValue) return ErrInvalidSortOption();
  return absl::OkStatus();
}

absl::Status Validate(const PutRequest& request) {
  if (request.key.empty()) return ErrEmptyKey();
  if (request.ignore_value && !request.value.empty()) return ErrValueProvided();
  if (request.ignore_lease && request.lease.value != 0) return ErrLeaseProvided();
  return absl::OkStatus();
}

absl::Status Validate(const DeleteRangeRequest& request) {
  return request.key.empty() ? ErrEmptyKey() : absl::OkStatus();
}

absl::Status Validate(const AlarmRequest& request) {
  if (request.action > AlarmAction::kDeactivate) return absl::InvalidArgumentError("etcdserver: unknown alarm action");
  if (request.alarm > AlarmType::kCorrupt) return absl::InvalidArgumentError("etcdserver: unknown alarm type");
  return absl::OkStatus();
}

absl::Status Validate(const TxnRequest& request, size_t ops_max) {
  REGENT_RETURN_IF_ERROR(CheckOps(request, ops_max));
  REGENT_RETURN_IF_ERROR(CheckBranch(request.success));
  return CheckBranch(request.failure);
}

bool IsReadOnly(const TxnRequest& request) {
  const auto is_range = [](const RequestOp& op) { return std::holds_alternative<RangeRequest>(op); };
  return std::ranges::all_of(request.success, is_range) && std::ranges::all_of(request.failure, is_range);
}

std::string WatchRefusal(std::string_view key, std::string_view range_end, Revision start_revision) {
  if (start_revision.value < 0) return std::string(ErrCompacted().message());
  if (RangeIsEmpty(key, range_end)) return kCancelEmptyWatchRange;
  return "";
}

}  // namespace regent::api
