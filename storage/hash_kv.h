// The hash of HashKV: etcd's very value for the same history, so that members, and an etcd beside them, can be
// compared.
//
// It is a CRC-32C over the bucket's name "key" and then, in the order of (revision, sub), over every version that etcd
// keeps of the history up to a revision `at`:
//
//   version   = revision:8 '_' sub:8 KeyValue        (big-endian; the encoded mvccpb.KeyValue)
//   tombstone = revision:8 '_' sub:8 't' KeyValue    (with the key alone)
//
// Above the compacted revision C these are all versions and tombstones. At or below C it is what a compaction keeps and
// a reader at `at` still sees: of each key that lives at `at` its newest version. (If no key at all lives at `at`, etcd
// does not ask who sees what: then of each key that lives at C its newest version up to C.) A tombstone at C itself is
// left out. So the value does not depend on how far the purge is.
//
// The rows stand in the order of keys. They are not sorted: a CRC of a whole follows from the CRC and the length of its
// parts, so a pass over the rows collects {place, CRC, length} of the earliest versions that fit into the memory given,
// sorts those and puts them together; the next pass takes the versions behind them.
//
// Unlike etcd, no answers of earlier compactions are remembered: for about ten compactions, until it is restarted, etcd
// answers a compacted revision with the value and the compacted revision of before that compaction, which it has
// computed while it scanned everything. A compaction here scans nothing.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "api/contract/results.h"
#include "storage/engine.h"

namespace regent::storage {

struct HashKvRequest {
  int64_t at = 0;                         // the revision to hash; below 2 nothing was written
  int64_t current = 0;                    // the store's revision, for the answer
  size_t versions_in_memory = 2'000'000;  // of one pass, 24 bytes each; at least 2
};

// From any thread. One iterator sees the store as it is now, so writes go on and change nothing; what it sees stays on
// the disk until it is done. Errors: ErrCompacted; ErrStopped soon after `stop` is set.
absl::StatusOr<api::HashKvResult> HashKeyValues(const Engine& engine, const std::atomic<int64_t>& compacted,
                                                const HashKvRequest& request, const std::atomic<bool>& stop);

}  // namespace regent::storage
