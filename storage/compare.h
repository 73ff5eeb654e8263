// The compares of transactions.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "api/contract/requests.h"
#include "api/contract/wire.h"
#include "storage/versions.h"

namespace regent::storage {

// Whether the compare holds for a key-value, or for a key that does not exist (nullopt): there every number is 0, and a
// compare of the value never holds.
bool Holds(const api::Compare& compare, const std::optional<api::KeyValueRest>& kv);

// Whether it holds for its key, or for every live key of its range; a range without keys counts as a missing key.
absl::StatusOr<bool> HoldsAt(const api::Compare& compare, const RowSource& rows, Position through);

}  // namespace regent::storage
