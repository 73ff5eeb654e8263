// Carries out the key-value requests of one entry. Everything that can fail is checked before the first row is written,
// against the state before the entry: apply never half-fails.
//
// Owner: the apply loop. One object serves one entry, between BeginEntry and EndEntry of the Mvcc.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "api/contract/requests.h"
#include "api/contract/results.h"
#include "storage/mvcc.h"

namespace regent::storage {

class KvWriter {
 public:
  // `counts` grows by what is done.
  KvWriter(Mvcc& mvcc, OperationCounts& counts) : mvcc_(mvcc), counts_(counts) {}

  // Errors: ErrLeaseNotFound, ErrKeyNotFound (ignore_value, ignore_lease).
  absl::StatusOr<api::PutResult> Put(const api::PutRequest& request);
  api::DeleteRangeResult DeleteRange(const api::DeleteRangeRequest& request);

  // All compares, nested ones too, are judged on the state before the transaction; then the chosen operations are
  // checked (the errors of Put; ErrCompacted and ErrFutureRevision of ranges), then they run in order, and a range sees
  // the writes before it.
  absl::StatusOr<api::TxnResult> Txn(const api::TxnRequest& request);

  // Deletes every key of the lease, and the lease. Errors: ErrLeaseNotFound.
  absl::StatusOr<api::LeaseRevokeResult> Revoke(api::LeaseId id);

 private:
  // Which branch each transaction of the tree takes, in the order in which Choose and Run meet them.
  using Path = std::vector<bool>;

  bool Holds(const api::Compare& compare);
  void Choose(const api::TxnRequest& request, Path& path);
  absl::Status Check(const api::PutRequest& request);
  absl::Status Check(const api::RangeRequest& request) const;
  absl::Status Check(const api::TxnRequest& request, const Path& path, size_t& step);
  api::PutResult RunPut(const api::PutRequest& request);
  api::DeleteRangeResult RunDelete(const api::DeleteRangeRequest& request);
  api::TxnResult RunTxn(const api::TxnRequest& request, const Path& path, size_t& step);
  api::ResponseOp Run(const api::RequestOp& operation, const Path& path, size_t& step);
  void DeleteOne(std::string_view key, const Head& head, bool with_previous, api::DeleteRangeResult& result);

  void EndPhase();

  Mvcc& mvcc_;
  OperationCounts& counts_;
  OperationCounts phase_;
};

// Also what a read-only transaction checks: a revision of a range inside a transaction.
absl::Status CheckTxnRevision(api::Revision revision, int64_t current, int64_t compacted);

// How much an entry may write.
EntrySize SizeOf(const api::WriteRequest& request);

}  // namespace regent::storage
