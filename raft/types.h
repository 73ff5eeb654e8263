// The numbers and records of the protocol. Plain data; nothing here runs.
//
// Source: Ongaro, "Consensus: Bridging Theory and Practice" (the thesis), figure 3.1.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

namespace regent::raft {

// A number that cannot be mistaken for another kind of number.
template <typename Tag>
struct Number {
  uint64_t value = 0;
  auto operator<=>(const Number&) const = default;
};

using Term = Number<struct TermTag>;      // 0: no term seen yet
using Index = Number<struct IndexTag>;    // the first entry has index 1; 0: before the log
using NodeId = Number<struct NodeIdTag>;  // 0: nobody

inline constexpr NodeId kNobody{};

enum class EntryType : uint8_t {
  kNormal = 0,         // `data` is a command for the state machine; empty data is the no-op of a new term
  kConfiguration = 1,  // `data` is an encoded Configuration, effective as soon as it is appended
};

// One place of the log. Immutable once appended; `data` is opaque to raft.
struct Entry {
  Index index;
  Term term;
  EntryType type = EntryType::kNormal;
  std::string data;
  bool operator==(const Entry&) const = default;
};

// What must be durable before anybody learns of it (thesis, figure 3.1: currentTerm and votedFor). The commit index is
// not persisted: it is found again.
struct HardState {
  Term term;
  NodeId vote;
  bool operator==(const HardState&) const = default;
};

// Who takes part. `outgoing_voters` is not empty only during a joint change: then a decision needs a majority of both.
struct Configuration {
  std::vector<NodeId> voters;
  std::vector<NodeId> outgoing_voters;
  std::vector<NodeId> learners;  // replicate, do not vote
  bool operator==(const Configuration&) const = default;
};

}  // namespace regent::raft
