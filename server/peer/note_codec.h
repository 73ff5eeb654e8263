// Notes between members (server/node/peer_note.h) as payloads of frames of the kind kNote, in version 1 of the
// protocol.
//
//   note              kind:b body                       b one byte, v varint, s varint of the zigzag of a signed number
//   forwarded writes  1: count:v (bytes:v data)*
//   write refused     2: sequence:v code:b bytes:v text          the gRPC code and the text of the error
//   lease question    3: number:v kind:b lease:s
//   lease answer      4: number:v outcome:b ttl:s granted_ttl:s count:v (bytes:v data)*
//   snapshot offer    5: number:v term:v index:v entry_term:v configuration_index:v bytes:v configuration
//                        count:v (bytes:v name size:v)*              the configuration as the data of a log entry has
//                        it
//   snapshot fetch    6: number:v file:v offset:v
//   snapshot piece    7: number:v file:v offset:v bytes:v data
//   snapshot end      8: number:v installed:b
//
// Example: a write with the number 300 was refused with Unavailable, "no": 02 ac 02 0e 02 6e 6f
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/node/peer_note.h"

namespace regent::server {

void AppendNote(std::string& out, const PeerNote& note);

// Errors: InvalidArgument. Allocates no more than a small multiple of the payload.
absl::StatusOr<PeerNote> DecodeNote(std::string_view payload);

}  // namespace regent::server
