// The store's answers against the model's. Each function returns "" when they agree, else a sentence with both.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "api/contract/requests.h"
#include "api/contract/results.h"
#include "storage/events.h"
#include "tests/model/model.h"

namespace regent::model {

std::string CompareWrite(const api::WriteRequest& request, const absl::StatusOr<WriteAnswer>& expected,
                         const absl::StatusOr<api::WriteResult>& actual);
std::string CompareRange(const api::RangeRequest& request, const absl::StatusOr<RangeAnswer>& expected,
                         const absl::StatusOr<api::RangeResult>& actual);
std::string CompareReadTxn(const api::TxnRequest& request, const absl::StatusOr<TxnAnswer>& expected,
                           const absl::StatusOr<api::TxnResult>& actual);

enum class Previous : uint8_t { kExact, kIgnored };

// One event. A previous version that the store did not look up counts as none.
std::string CompareEvent(const ModelEvent& expected, const storage::Event& actual, Previous previous);

// All of them, in order. Those of the compacted revision that were superseded within it may be missing.
std::string CompareEvents(const std::vector<ModelEvent>& expected, const std::vector<storage::Event>& actual,
                          int64_t compacted, Previous previous);

// Everything that an answer says, as one number: a replay must give the same.
uint64_t Fingerprint(const absl::StatusOr<api::WriteResult>& result);
uint64_t Fingerprint(const storage::Event& event);

}  // namespace regent::model
