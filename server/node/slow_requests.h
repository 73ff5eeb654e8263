// The log lines about requests that took too long, as etcd writes them: "apply request took too long" with took,
// expected-duration, prefix, request, response and error. Values are never in them. Nothing is formatted for a request
// that is quick.
//
// A read is measured from the call to its result. Writes are applied in turns and have one time together, that of the
// turn: each of its requests waited that long, whichever of them was the reason. At most kLinesPerTurn of them are
// named.
//
// Threads: reads from any thread, turns on the apply loop.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "api/contract/requests.h"
#include "api/contract/results.h"
#include "api/service/backend.h"
#include "raft/types.h"
#include "server/runtime/loop.h"
#include "server/runtime/metrics.h"
#include "storage/state_machine.h"

namespace regent::server {

class SlowRequests {
 public:
  static constexpr size_t kLinesPerTurn = 16;

  SlowRequests(Duration expected, Metrics& metrics) : expected_(expected), metrics_(metrics) {}

  void OnRange(const api::RangeRequest& request, const absl::StatusOr<api::RangeResult>& result, Duration took) {
    if (IsSlow(took)) ReportRange(request, result, took);
  }
  void OnReadTxn(const api::TxnRequest& request, const absl::StatusOr<api::TxnResult>& result, Duration took) {
    if (IsSlow(took)) ReportReadTxn(request, result, took);
  }
  // `answers`: of the commands in `turn`. `header` makes that of the answers that have a whole one.
  void OnTurn(std::span<const raft::Entry> turn, const std::vector<storage::Answer>& answers,
              absl::FunctionRef<api::Header()> header, Duration took) {
    if (IsSlow(took)) ReportTurn(turn, answers, header(), took);
  }

 private:
  struct Line {
    std::string_view prefix;
    std::string request;
    std::string response;
    absl::Status error;
  };

  bool IsSlow(Duration took) const { return took > expected_; }
  void ReportRange(const api::RangeRequest& request, const absl::StatusOr<api::RangeResult>& result, Duration took);
  void ReportReadTxn(const api::TxnRequest& request, const absl::StatusOr<api::TxnResult>& result, Duration took);
  void ReportTurn(std::span<const raft::Entry> turn, const std::vector<storage::Answer>& answers,
                  const api::Header& header, Duration took);
  void Log(const Line& line, Duration took);

  const Duration expected_;
  Metrics& metrics_;
};

}  // namespace regent::server
