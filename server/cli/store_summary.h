// Counts the rows of a store as they pass by, and compares them with what the store says about itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/cli/findings.h"
#include "server/cli/summary.h"
#include "storage/stored_row.h"

namespace regent::server {

class StoreSummary {
 public:
  // Rows come in the order of the store: events, meta rows, counts, versions.
  void Add(const storage::StoredRow& row);

  // After the last row: what does not fit together.
  void Judge(const std::string& store, Findings& findings) const;
  void Describe(Summary& summary) const;

 private:
  void Count(const storage::StoredVersion& version);
  void Count(const storage::StoredEvent& event);
  void Count(const storage::StoredCount& count);
  void Count(const storage::Counters& counters) { counters_ = counters; }
  void Count(const storage::PurgeProgress& progress) { purge_ = progress; }
  void Count(const raft::Entry&) {}
  void Count(const storage::StoredLease&) { ++leases_; }
  void Count(const storage::StoredLeaseKey&) { ++lease_keys_; }
  void Count(const api::AlarmMember& alarm);
  void Count(const storage::StoredMember&) { ++members_; }

  std::optional<storage::Counters> counters_;
  storage::PurgeProgress purge_;
  std::vector<std::string> alarms_;
  uint64_t events_ = 0;
  uint64_t leases_ = 0;
  uint64_t lease_keys_ = 0;
  uint64_t members_ = 0;  // and those that were removed
  uint64_t buckets_ = 0;
  uint64_t versions_ = 0;
  uint64_t tombstones_ = 0;
  uint64_t unfinished_ = 0;         // rows above the revision
  uint64_t keys_counted_ = 0;       // as the count rows say
  uint64_t keys_seen_ = 0;          // as the version rows say
  std::optional<std::string> key_;  // whose newest version has passed
};

}  // namespace regent::server
