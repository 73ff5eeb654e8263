// A state machine on an engine in memory, fed with requests as a leader would feed it, for the store's tests.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/contract/requests.h"
#include "api/contract/results.h"
#include "storage/command.h"
#include "storage/memory_engine.h"
#include "storage/quota.h"
#include "storage/state_machine.h"

namespace regent::storage {

// A decoded mvccpb.KeyValue.
struct KeyValue {
  std::string key;
  int64_t create_revision = 0;
  int64_t mod_revision = 0;
  int64_t version = 0;
  std::string value;
  int64_t lease = 0;
  bool operator==(const KeyValue&) const = default;
};
KeyValue DecodeKeyValue(const std::string& bytes);
std::vector<KeyValue> DecodeList(const api::KeyValueList& list);
std::vector<std::string> KeysOf(const api::RangeResult& result);

class Store {
 public:
  explicit Store(StateMachineOptions options = {}) : options_(options) { Open(); }

  // One entry, one turn.
  absl::StatusOr<api::WriteResult> Apply(api::WriteRequest request, uint64_t leader_term = 0);
  // Entries already made, as one turn.
  ApplyOutcome ApplyTurn(const std::vector<raft::Entry>& entries);
  static raft::Entry EntryOf(uint64_t index, api::WriteRequest request, uint64_t leader_term = 0);

  // Each returns the revision of the header.
  int64_t Put(const std::string& key, const std::string& value, int64_t lease = 0);
  int64_t Delete(const std::string& key, const std::string& range_end = "");
  absl::StatusOr<api::TxnResult> Txn(api::TxnRequest request);
  absl::Status Compact(int64_t revision);
  absl::Status Grant(int64_t id, int64_t ttl = 60);
  void PurgeAll(size_t events_max = 1000);

  api::RangeResult Range(api::RangeRequest request) const;
  absl::Status RangeError(api::RangeRequest request) const;
  std::optional<KeyValue> Get(const std::string& key, int64_t revision = 0) const;
  int64_t Count(const std::string& key, const std::string& range_end, int64_t revision = 0) const;

  // Drops the state machine and what was not flushed, and opens the rest again.
  void Crash();
  std::map<std::string, std::string> Rows() const;  // of the engine

  StateMachine& machine() { return *machine_; }
  const StateMachine& machine() const { return *machine_; }
  MemoryEngine& engine() { return *engine_; }
  std::shared_ptr<const View> view() const { return machine_->view(); }
  const ApplyOutcome& outcome() const { return outcome_; }  // of the last turn
  WantsPrevious wants_previous = nullptr;

 private:
  void Open();

  const StateMachineOptions options_;
  const std::shared_ptr<MemoryDisk> disk_ = std::make_shared<MemoryDisk>();
  std::shared_ptr<MemoryEngine> engine_;
  std::unique_ptr<StateMachine> machine_;
  ApplyOutcome outcome_;
};

// Whole key space.
inline const std::string kFirstKey("\0", 1);
inline const std::string kNoEnd("\0", 1);

// What the versions in the engine weigh, as the quota counts them.
int64_t WeightOfRows(const std::map<std::string, std::string>& rows);

}  // namespace regent::storage
