// Clients of the life that is recorded: puts, deletes, transactions, large ones that are applied in chunks, leases that
// are revoked and that run out, compactions and their purges, requests that are refused, alarms and a full quota.
// What is answered is compared with the history and remembered: no crash may lose it.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/crashpoints/history.h"
#include "tests/crashpoints/life.h"

namespace regent::crashpoints {

struct WorkloadCounters {
  uint64_t acknowledged = 0, refused = 0;
  uint64_t puts = 0, deletes = 0, txns = 0, large = 0, grants = 0, revokes = 0, expiries = 0;
  uint64_t compactions = 0, physical = 0, tombstones_compacted = 0, alarms = 0, no_space = 0, verbs = 0;
};

class Workload {
 public:
  Workload(Life& life, const History& history, uint64_t seed, uint64_t operations, WorkloadCounters& counters);

  void Start();
  bool finished() const { return begun_ >= operations_ && in_flight_ == 0; }
  // The highest revision that an answer has named.
  int64_t acknowledged_revision() const { return acknowledged_revision_; }

 private:
  using Done = api::Done<api::WriteResult>;

  void Next();
  void Begin();
  void Propose(api::WriteRequest request, Done done);
  // Proposes; the answer is checked and counted, and the client goes on.
  void Ask(api::WriteRequest request);
  void AskPut(api::PutRequest request);
  void Note(const absl::StatusOr<api::WriteResult>& result);
  void Finish();

  void Put();
  void Delete();
  void Txn();
  void LargeTxn();
  void Grant();
  void Revoke();
  void Compact();
  void CompactAtTombstone();
  void BeRefused();
  void Alarm();
  void MakeRoom();
  void AskAboutStore();

  uint64_t Draw(uint64_t below) { return random_() % below; }
  std::string RandomKey();
  std::string NewValue(size_t bytes);
  api::LeaseId RandomLease();
  int64_t Revision() const { return history_.At(history_.last_index()).revision; }

  Life& life_;
  const History& history_;
  std::mt19937_64 random_;
  const uint64_t operations_;
  WorkloadCounters& counters_;
  std::unique_ptr<sim::SimulatedLoop> loop_;
  uint64_t begun_ = 0, in_flight_ = 0, last_value_ = 0, refusals_to_come_ = 0;
  int64_t acknowledged_revision_ = 1;
  std::vector<api::LeaseId> leases_;
};

}  // namespace regent::crashpoints
