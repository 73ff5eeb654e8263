// What a write costs, and whether it fits: etcd's arithmetic of costs over this store's logical bytes.
//
//   used = kEmptyStoreBytes + live versions and history above the compaction + kLeaseBytes for each lease
//   a write that costs nothing (reads, deletes, compactions, revokes, alarms) always fits
//   any other write fits when used + cost < quota
//
// `used` is the same on every member at the same entry; the quota is each member's own.
#pragma once

#include <cstdint>

#include "api/contract/requests.h"

namespace regent::storage {

// What a store without keys is said to occupy: clients divide by the size.
inline constexpr int64_t kEmptyStoreBytes = 4096;
inline constexpr int64_t kLeaseBytes = 64;

// The bytes that a write may add; 0: it adds none. The request need not be valid: an operation may be missing.
int64_t QuotaCost(const api::WriteRequest& request);

// `logical_bytes`: of versions and leases, without kEmptyStoreBytes. A quota of 0 or less: everything fits.
bool FitsQuota(const api::WriteRequest& request, int64_t logical_bytes, int64_t quota_bytes);

}  // namespace regent::storage
