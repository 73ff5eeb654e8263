// Raft messages as payloads of frames of the kind kRaftMessage, in version 1 of the protocol.
//
//   message          kind:b term:v body                                 b one byte, v varint (seven bits a byte, low
//   first) append request   1: prev_index:v prev_term:v commit:v count:v entry* entry            term:v type:b bytes:v
//   data                         indexes follow from prev_index append accepted  2: match:v append rejected  3:
//   rejected:v hint_index:v hint_term:v heartbeat        4: commit:v context:v heartbeat reply  5: context:v vote
//   request     6: last_index:v last_term:v transfer:b vote reply       7: granted:b pre-vote request 8:
//   campaign_term:v last_index:v last_term:v pre-vote reply   9: campaign_term:v granted:b read request    10: round:v
//   read reply      11: round:v index:v
//   timeout now     12:
//
// Who sent it and to whom is a fact of the connection, not of the message: no member can speak in another's name.
// InstallSnapshot is not among them: the receiver makes it when a snapshot has arrived whole.
//
// Example: a heartbeat in term 7 of commit index 300 and round 1: 04 07 ac 02 01
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "raft/message.h"

namespace regent::server {

// Appends the payload. REQUIRES: not an InstallSnapshot.
void AppendMessage(std::string& out, const raft::Message& message);

// Errors: InvalidArgument, naming what is wrong. Allocates no more than a small multiple of the payload.
absl::StatusOr<raft::Message> DecodeMessage(std::string_view payload, raft::NodeId from, raft::NodeId to);

}  // namespace regent::server
