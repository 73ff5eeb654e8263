#include "server/node/request_metrics.h"

#include <array>
#include <utility>

namespace regent::server {
namespace {

// etcd ends leases one by one, so those of an expiry are revokes.
constexpr auto kKinds =
    std::to_array<std::string_view>({"Put", "DeleteRange", "Txn", "Compaction", "LeaseGrant", "LeaseRevoke", "Alarm",
                                     /*an expiry*/ "LeaseRevoke", "MemberAdd", "MemberRemove", "MemberPromote",
                                     "ClusterMemberUpdate", "ClusterMemberAttrSet", "MemberBootstrap",
                                     /*reads*/ "Range", "ReadonlyTxn"});
static_assert(kKinds.size() == kReadTxnKind + 1);

}  // namespace

OutcomeHistograms::OutcomeHistograms(Find find)
    : find_(std::move(find)), found_(std::make_unique<std::atomic<Histogram*>[]>(2 * kKinds.size())) {}

void OutcomeHistograms::Observe(size_t kind, bool success, Duration took, size_t times) {
  std::atomic<Histogram*>& place = found_[2 * kind + (success ? 1 : 0)];
  Histogram* histogram = place.load(std::memory_order_acquire);
  if (histogram == nullptr) {
    histogram = &find_(kKinds[kind], success ? "true" : "false");
    place.store(histogram, std::memory_order_release);
  }
  histogram->Observe(took, times);
}

RequestMetrics::RequestMetrics(Metrics& metrics)
    : request([&metrics](std::string_view kind, std::string_view success) -> Histogram& {
        return metrics.server_request_duration_seconds.With({success, kind});
      }),
      apply([&metrics](std::string_view kind, std::string_view success) -> Histogram& {
        return metrics.server_apply_duration_seconds.With({kind, success, "v3"});
      }),
      range([&metrics](std::string_view, std::string_view success) -> Histogram& {
        return metrics.server_range_duration_seconds.With({success});
      }) {}

}  // namespace regent::server
