// The payload of a normal log entry: who asked, and what is to be done. Everything random or timed is in it before it
// is proposed, so that every member computes the same.
//
// The grammar of the encoding stands in command.cc's header comment and is fuzzed; decoding never allocates more than a
// small multiple of the input.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "api/contract/requests.h"

namespace regent::storage {

// Names a proposal across the cluster: the member that took it from a client, and a number that this member has not
// used before in its life as a process. {0, 0}: nobody waits.
struct RequestId {
  uint64_t node = 0;
  uint64_t sequence = 0;
  auto operator<=>(const RequestId&) const = default;
};

struct Command {
  RequestId request;
  // A lease revoke by expiry names the term of the leader that decided it; apply refuses it in another term. 0: a
  // client asked.
  uint64_t leader_term = 0;
  api::WriteRequest body;
};

std::string EncodeCommand(const Command& command);
absl::StatusOr<Command> DecodeCommand(std::string_view bytes);

}  // namespace regent::storage
