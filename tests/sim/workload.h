// Clients that write, read, compact and hold leases, and the checkers of what they are told.
//
//   * an acknowledged write happened, at the revision that it was told, and stays (the truth sees to that);
//   * a write whose caller heard that it failed never happens;
//   * revisions are never reused and never go back: an answer's revision is not below any answer given before the call
//     began (real time and one client's order are the same thing here), and a write's is above;
//   * a linearizable read shows the state at its revision, and that is not older than anything answered before it
//     began; a serializable one shows the state at some revision;
//   * a lease does not end before its time to live has passed, by the machine's clock, since the last acknowledged
//     renewal began, unless somebody revoked it; a renewal is not acknowledged for a lease that was gone before; every
//     lease ends some time;
//   * a transaction with a read of a compacted or future revision in the branch that it takes is refused whole.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "server/node/node.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/truth.h"

namespace regent::sim {

struct WorkloadCounters {
  uint64_t operations = 0, acknowledged = 0, failed = 0, unknown = 0;
  uint64_t puts = 0, deletes = 0, txns = 0, ranges = 0, serializable = 0, old_ranges = 0, read_txns = 0;
  uint64_t compactions = 0, physical = 0, grants = 0, revokes = 0, renewals = 0, renewals_of_gone = 0, expiries = 0;
  uint64_t txns_refused = 0, tombstones_compacted = 0;
};

struct WorkloadOptions {
  uint64_t operations = 0;
  MonotonicTime least{};  // more of them until then
  double clock_rate = 1;  // of the machine
  std::string keys = "";  // in front of every value and in every lease id's place: workloads beside this one differ
  Duration thought_max = std::chrono::milliseconds(6);  // before the next operation, mostly
  int64_t* answered = nullptr;  // the highest revision answered to anybody; null: to this workload
};

class Workload {
 public:
  Workload(Scheduler& scheduler, Loop& loop, uint64_t seed, WorkloadOptions options, Truth& truth, Verdict& verdict,
           WorkloadCounters& counters);

  void Connect(server::Node& node);
  // What was under way has an unknown outcome.
  void Disconnect();

  // Every operation was begun, and answered or lost.
  bool finished() const { return !wants_more() && in_flight_ == 0; }
  uint64_t begun() const { return begun_; }
  uint64_t left() const { return begun_ < options_.operations ? options_.operations - begun_ : 0; }
  // Nothing more is begun.
  void Rest() { resting_ = true; }

  // Leases that ended without a revocation since the last call: not early?
  void CheckLeases();
  // REQUIRES: nobody has renewed a lease for longer than any lease lives.
  void CheckLeasesGone();

 private:
  bool wants_more() const { return !resting_ && (begun_ < options_.operations || scheduler_.now() < options_.least); }
  struct LeaseView {  // what the clients know of a lease
    int64_t ttl = 0;
    MonotonicTime alive_since;  // when the grant, or the last renewal that was acknowledged, began
    bool revoke_asked = false;
  };
  // What every call remembers.
  struct Call {
    uint64_t epoch = 0;
    int64_t revision = 0;  // the highest one answered before
    MonotonicTime begun;
  };

  void StartClients();
  void Next(uint64_t epoch);
  void Begin();
  void Put();
  void Delete();
  void Txn();
  void RefusedTxn();
  void Range();
  void ReadTxn();
  void Compact();
  void Grant();
  void Revoke();
  void Renew();

  // False when the answer belongs to an earlier life of the node; otherwise the client goes on after a while.
  bool Finish(const Call& call);
  // Bookkeeping of an answer: true when it was a success.
  bool Note(const absl::Status& status);
  void NoteRevision(const Call& call, api::Revision revision, bool made);
  bool OutcomeUnknown(const absl::Status& status) const;
  void CheckRange(const api::RangeRequest& request, const api::RangeResult& result);
  std::string RandomKey();
  std::string NewValue();
  std::optional<api::LeaseId> RandomLease();
  void CheckEnded(api::LeaseId id);

  Scheduler& scheduler_;
  Loop& loop_;
  std::mt19937_64 random_;
  const WorkloadOptions options_;
  Truth& truth_;
  Verdict& verdict_;
  WorkloadCounters& counters_;

  server::Node* node_ = nullptr;
  uint64_t epoch_ = 0;
  uint64_t begun_ = 0;
  uint64_t in_flight_ = 0;
  bool resting_ = false;
  uint64_t last_value_ = 0;
  int64_t own_answered_ = 1;
  int64_t& answered_revision_ = options_.answered != nullptr ? *options_.answered : own_answered_;
  std::map<api::LeaseId, LeaseView> leases_;
  std::vector<api::LeaseId> lease_ids_;  // of leases_, to draw from
  size_t ended_checked_ = 0;             // so many of the truth's ended leases were looked at
};

}  // namespace regent::sim
