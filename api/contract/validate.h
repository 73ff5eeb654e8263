// What can be said about a request by looking at nothing but the request, in etcd's order and with etcd's errors.
// Called on the member that takes the request, before it is proposed; apply relies on it. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "api/contract/requests.h"

namespace regent::api {

absl::Status Validate(const RangeRequest& request);
absl::Status Validate(const PutRequest& request);
absl::Status Validate(const DeleteRangeRequest& request);
absl::Status Validate(const AlarmRequest& request);

// `ops_max` bounds the longest of the three lists; a nested transaction may use what its parent's longest list leaves.
//
// Duplicate keys (ErrDuplicateKey), for each branch by itself:
//   * two puts of one key, also inside nested transactions; but the two branches of one nested transaction may both put
//     a key, for only one of them is carried out;
//   * a put of a key that a delete on the same level or in an earlier nested transaction covers, wherever the put is.
// Two quirks are copied from etcd: a delete with range_end "\0" (from key on) conflicts with nothing, and a delete in a
// later nested transaction does not conflict with puts of an earlier one. Apply must carry such requests out in order.
absl::Status Validate(const TxnRequest& request, size_t ops_max);

// A transaction of top-level ranges alone: it changes nothing and needs no place in the log. True for an empty one.
bool IsReadOnly(const TxnRequest& request);

// Why a watch on these cannot be created, as the text for cancel_reason; empty when it can. Here `key` is not empty.
std::string WatchRefusal(std::string_view key, std::string_view range_end, Revision start_revision);

}  // namespace regent::api
