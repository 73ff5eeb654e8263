// etcdserverpb.Maintenance: Status, Alarm, Defragment, Hash, HashKV.
//
// Alarms are listed from what the backend knows; raising and clearing one goes through the log. The answer to
// Defragment is an empty message, without a header. HashKV's value is etcd's, Hash's is our own (Backend::Hash).
#pragma once

#include <vector>

#include "api/service/call.h"
#include "api/service/service_context.h"

namespace regent::api {

// `context` outlives the methods and their calls.
std::vector<Method> MaintenanceMethods(ServiceContext& context);

}  // namespace regent::api
