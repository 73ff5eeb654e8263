// The numbers and records of the protocol. Plain data; nothing here runs.
//
// Source: Ongaro, "Consensus: Bridging Theory and Practice" (the thesis), figure 3.1.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
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
using StepId = Number<struct StepIdTag>;  // a durable step of one run of one node
using ReadId = Number<struct ReadIdTag>;  // a linearizable read, named by the owner of the core

inline constexpr NodeId kNobody{};

// Bytes that never change, shared by copying: one command lies at the same moment in the memory tail, in a batch for
// the log, in a batch for the state machine and in messages, on several threads. Converts to and from what strings
// convert to. (Measured for batches of 100 with three holders: 64-256 bytes 1.6-4.6 times, 16 KiB 4-30 times cheaper
// than copies.)
class Bytes {
 public:
  Bytes() = default;
  Bytes(std::string data) : data_(data.empty() ? nullptr : std::make_shared<const std::string>(std::move(data))) {}
  Bytes(std::string_view data) : Bytes(std::string(data)) {}
  Bytes(const char* data) : Bytes(std::string(data)) {}

  operator std::string_view() const { return view(); }
  std::string_view view() const { return data_ ? std::string_view(*data_) : std::string_view(); }
  std::string str() const { return std::string(view()); }
  const char* data() const { return view().data(); }
  size_t size() const { return data_ ? data_->size() : 0; }
  bool empty() const { return !data_; }
  friend bool operator==(const Bytes& a, const Bytes& b) { return a.data_ == b.data_ || a.view() == b.view(); }

 private:
  std::shared_ptr<const std::string> data_;  // null: empty
};

enum class EntryType : uint8_t {
  kNormal = 0,         // `data` is a command for the state machine; empty data is the no-op of a new term
  kConfiguration = 1,  // `data` is a ConfigurationEntry (configuration.h), effective as soon as it is appended
};

// One place of the log. Immutable once appended; `data` is opaque to raft.
struct Entry {
  Index index;
  Term term;
  EntryType type = EntryType::kNormal;
  Bytes data;
  bool operator==(const Entry&) const = default;
};

// What must be durable before anybody learns of it (thesis, figure 3.1: currentTerm and votedFor). The commit index is
// not persisted: it is found again.
struct HardState {
  Term term;
  NodeId vote;
  bool operator==(const HardState&) const = default;
};

// Who takes part. `outgoing_voters` is not empty only during a joint change: then a decision needs a majority of both
// halves. An outgoing voter that stays as a learner is already listed there.
struct Configuration {
  std::vector<NodeId> voters;
  std::vector<NodeId> outgoing_voters;
  std::vector<NodeId> learners;  // replicate, do not vote

  bool joint() const { return !outgoing_voters.empty(); }
  bool operator==(const Configuration&) const = default;
};

// A configuration and the entry that holds it; index 0: the one that a node was started with.
struct PlacedConfiguration {
  Index index;
  Configuration configuration;
  bool operator==(const PlacedConfiguration&) const = default;
};

// The entries from `first` on have `term`, up to where the next run begins.
struct TermRun {
  Index first;
  Term term;
  bool operator==(const TermRun&) const = default;
};

enum class Role : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

}  // namespace regent::raft
