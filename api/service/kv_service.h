// etcdserverpb.KV: Range, Put, DeleteRange, Txn, Compact; RangeStream is in range_stream.h.
//
// A request is decoded, validated and measured here. Writes go to Backend::Propose; a transaction of ranges alone goes
// to Backend::ReadTxn and never sees the log. The size limit is for what enters the log; etcd does not measure reads.
#pragma once

#include <vector>

#include "api/service/call.h"
#include "api/service/service_context.h"

namespace regent::api {

// `context` outlives the methods and their calls.
std::vector<Method> KvMethods(ServiceContext& context);

}  // namespace regent::api
