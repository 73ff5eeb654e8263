// What is asked of a leader, and what it answers at once.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "raft/types.h"

namespace regent::raft {

struct Proposed {
  Term term;
  Index index;  // of the (last) entry; it may still lose its place to a later leader
};

struct Refused {
  enum class Reason : uint8_t {
    kNotLeader,     // `leader` knows more, when it is not nobody; the owner forwards
    kFull,          // uncommitted_bytes_max reached: try again when something was committed
    kTransferring,  // leadership is being handed over: try again at the next leader
    // Of configuration changes and transfers:
    kPending,        // an earlier change, or the first entry of the term, is not committed yet
    kConflict,       // the configuration is not the one that the change was made for
    kInvalid,        // no such configuration can be
    kBadTransferee,  // not another voter
  };
  Reason reason = Reason::kNotLeader;
  NodeId leader;
};

using ProposeResult = std::variant<Proposed, Refused>;

// From the configuration at `expected` to `target`, which names voters and learners (compare and set).
struct ConfigurationChange {
  Configuration target;
  Index expected;       // Core::configuration_index() when the decision was made
  std::string context;  // for the state machine; goes with the first entry of the change
};

// What a leader knows of another node.
struct PeerStatus {
  NodeId id;
  Index match;                  // acknowledged as durable there
  bool recently_heard = false;  // within an election timeout, as far as check_quorum counts
  bool needs_snapshot = false;
};

}  // namespace regent::raft
