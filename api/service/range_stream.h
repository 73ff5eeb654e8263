// etcdserverpb.KV/RangeStream: a range in several messages, so that neither side holds the whole answer. All messages
// together are the answer of Range at one revision; header, more and count come with the last one alone.
//
// The first message is small, each further one twice as large, up to kSliceBytesMax; the next slice is read when less
// than that is unsent. So a stream holds two slices, however slow its client is, and none when the client is gone.
//
// As etcd it takes key order alone and no revision filters. The order NONE with another target than the key, which etcd
// sorts within each of its messages, is answered in one message, as Range answers it; a count is one message too.
#pragma once

#include "api/service/call.h"
#include "api/service/service_context.h"

namespace regent::api {

inline constexpr size_t kFirstSliceBytes = 16 * 1024;
inline constexpr size_t kSliceBytesMax = 1536 * 1024;

// `context` outlives the method and its calls.
Method RangeStreamMethod(ServiceContext& context);

}  // namespace regent::api
