// Configurations: the payload of their log entries, and the rules for changing them.
//
// Every change of the voters is a joint one (thesis, section 4.3): an entry with both halves, and when that is
// committed an entry with the new half alone. Learners may change without a joint step, because the quorums stay the
// same.
//
// Payload of an entry of the type kConfiguration, numbers little-endian:
//
//   payload   version u8 = 1, voters u16, outgoing_voters u16, learners u16, that many ids u64 in this order, context
//   context   the rest: bytes for the state machine, opaque here (who joins, and where to find it)
//
// Example: voters 1 and 2, learner 3, context "x":
//   01  02 00  00 00  01 00  01 00 00 00 00 00 00 00  02 00 00 00 00 00 00 00  03 00 00 00 00 00 00 00  78
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "raft/types.h"

namespace regent::raft {

inline constexpr size_t kConfigurationNodesMax = 1000;  // of each kind

struct ConfigurationEntry {
  Configuration configuration;
  std::string context;
  bool operator==(const ConfigurationEntry&) const = default;
};

std::string Encode(const ConfigurationEntry& entry);
// nullopt: not such a payload, or a configuration that cannot be.
std::optional<ConfigurationEntry> DecodeConfigurationEntry(std::string_view payload);

// A configuration that may stand in a log: at least one voter, nobody twice in a list, no incoming voter among the
// learners, no id 0.
bool IsValid(const Configuration& configuration);

// The entry that leads from `current` to `target`, neither of them joint: a joint one when the voters differ.
Configuration StepTowards(const Configuration& current, const Configuration& target);
// What follows a joint configuration.
Configuration LeaveJoint(const Configuration& joint);

// In either half, or a learner.
bool IsMember(const Configuration& configuration, NodeId id);

}  // namespace regent::raft
