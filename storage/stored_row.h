// Any row of the store taken apart, for those who look at all of them and must not end at a bad one. keys.h says which
// rows there are; their values are parsed where they are written.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/statusor.h"
#include "api/contract/results.h"
#include "api/contract/types.h"
#include "raft/types.h"
#include "storage/compaction.h"
#include "storage/counters.h"
#include "storage/event_row.h"
#include "storage/key_counts.h"
#include "storage/keys.h"

namespace regent::storage {

struct StoredVersion {
  std::string key;
  Position position;
  std::string_view rest;  // fields 2 to 6 of the KeyValue; empty: a tombstone
};
struct StoredEvent {
  Position position;
  EventRecord record;
};
struct StoredCount {
  std::string_view separator;
  CountTree::Bucket bucket;
};
struct StoredLease {
  api::LeaseId id;
  int64_t ttl = 0;
};
struct StoredLeaseKey {
  api::LeaseId id;
  std::string_view key;
};

struct StoredMember {
  api::Member member;
  bool removed = false;  // then there is only its id
};

using StoredRow = std::variant<StoredVersion, StoredEvent, StoredCount, Counters, PurgeProgress, raft::Entry,
                               StoredLease, StoredLeaseKey, api::AlarmMember, StoredMember>;

// Views point into `row` and `value`. DataLoss, the words only, when they are not what the store writes.
absl::StatusOr<StoredRow> ParseStoredRow(std::string_view row, std::string_view value);

}  // namespace regent::storage
