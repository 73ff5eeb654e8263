// Requests as etcd's log lines show them: every field that is not its default, keys with escapes, and in the place of a
// value its size. Values are never shown.
//
// etcd has two forms, one after the other of the libraries that it was written with; both are kept, because people and
// programs search for them:
//   key:"a" range_end:"b" limit:5                             messages as they are
//   compare:<…> success:<request_put:<key:"a" value_size:3 >> failure:<>     those that hold values
#pragma once

#include <cstdint>
#include <string>

#include "api/contract/requests.h"

namespace regent::api {

std::string RequestText(const RangeRequest& request);
std::string RequestText(const PutRequest& request);
std::string RequestText(const DeleteRangeRequest& request);
std::string RequestText(const TxnRequest& request);

// As a proposal with a number: `header:<ID:7 > put:<…>`.
std::string ProposalText(const WriteRequest& request, uint64_t id);

}  // namespace regent::api
