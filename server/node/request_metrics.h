// How long requests take, by what they are and how they end: the histograms of etcd's that have such labels. A series
// appears with its first observation, as etcd's do.
//
// Threads: every function from any thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string_view>
#include <variant>

#include "api/contract/requests.h"
#include "server/runtime/loop.h"
#include "server/runtime/metrics.h"

namespace regent::server {

// A request is known by its alternative of WriteRequest, or by one of the two reads that come behind them.
inline constexpr size_t kRangeKind = std::variant_size_v<api::WriteRequest>;
inline constexpr size_t kReadTxnKind = kRangeKind + 1;

class OutcomeHistograms {
 public:
  // Finds, or makes, the histogram with these labels.
  using Find = std::function<Histogram&(std::string_view kind, std::string_view success)>;
  explicit OutcomeHistograms(Find find);

  void Observe(size_t kind, bool success, Duration took, size_t times = 1);

 private:
  const Find find_;
  const std::unique_ptr<std::atomic<Histogram*>[]> found_;  // null: nothing was observed yet
};

struct RequestMetrics {
  explicit RequestMetrics(Metrics& metrics);

  OutcomeHistograms request;  // from the call to its result
  OutcomeHistograms apply;    // in the state machine; the mean of the turn that it was applied in
  OutcomeHistograms range;    // the reading alone
};

}  // namespace regent::server
