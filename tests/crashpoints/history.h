// What must be found after a crash: every entry that was given to the log, the state after each of them, and every
// version and event that they made, whatever is compacted later. A second state machine over the engine in memory,
// which never crashes and never purges, applies the entries one by one; the model test compares that one with etcd's
// rules.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "storage/memory_engine.h"
#include "storage/state_machine.h"

namespace regent::crashpoints {

struct LeaseState {
  int64_t ttl = 0;
  std::vector<std::string> keys;  // ascending
  bool operator==(const LeaseState&) const = default;
};
using Leases = std::map<int64_t, LeaseState>;

struct StateAt {
  uint64_t digest = 0;
  int64_t revision = 1;
  int64_t compacted = 0;
  int64_t size = 0;
  std::shared_ptr<const Leases> leases;
  std::vector<api::AlarmMember> alarms;
};

Leases LeasesOf(const storage::StateMachine& machine);

class History {
 public:
  explicit History(storage::StateMachineOptions options);

  // Before the log writes them. Contiguous.
  void Append(std::span<const raft::Entry> entries);

  uint64_t last_index() const { return entries_.size(); }
  const raft::Entry& EntryAt(uint64_t index) const { return entries_[index - 1]; }
  // After the entry; 0: the empty store.
  const StateAt& At(uint64_t index) const { return states_[index]; }

  // The encoded keys and values of [key, range_end) at `revision`, and how many.
  std::pair<std::string, int64_t> RangeAt(const std::string& key, const std::string& range_end, int64_t revision) const;

  const std::vector<storage::Event>& events() const { return events_; }  // all, with their previous values
  size_t FirstEventAt(int64_t revision) const;                           // position of the first at or above it
  bool HasPut(int64_t revision, const std::string& key, const std::string& value) const;

  // As it is after the last entry.
  const storage::StateMachine& machine() const { return *machine_; }

 private:
  struct Version {
    int64_t revision = 0;
    std::optional<std::string> rest;  // nullopt: deleted
  };

  std::shared_ptr<storage::MemoryEngine> engine_;
  std::unique_ptr<storage::StateMachine> machine_;
  std::vector<raft::Entry> entries_;
  std::vector<StateAt> states_;
  std::vector<storage::Event> events_;
  std::map<std::string, std::vector<Version>> versions_;
};

}  // namespace regent::crashpoints
