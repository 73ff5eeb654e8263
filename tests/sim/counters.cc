#include "tests/sim/counters.h"

namespace regent::sim {

CounterFields ClientFields(WorkloadCounters& work, WatchCounters& watch, const CounterFields& more) {
  CounterFields fields{{"operations", &work.operations},
                       {"acknowledged", &work.acknowledged},
                       {"failed", &work.failed},
                       {"unknown", &work.unknown},
                       {"puts", &work.puts},
                       {"deletes", &work.deletes},
                       {"txns", &work.txns},
                       {"ranges", &work.ranges},
                       {"serializable", &work.serializable},
                       {"old-ranges", &work.old_ranges},
                       {"read-txns", &work.read_txns},
                       {"compactions", &work.compactions},
                       {"physical", &work.physical},
                       {"grants", &work.grants},
                       {"revokes", &work.revokes},
                       {"renewals", &work.renewals},
                       {"renewals-of-gone", &work.renewals_of_gone},
                       {"expiries", &work.expiries},
                       {"txns-refused", &work.txns_refused},
                       {"tombstones-compacted", &work.tombstones_compacted},
                       {"watches", &watch.created},
                       {"cancels", &watch.cancelled},
                       {"compacted-watches", &watch.compacted},
                       {"resumes", &watch.resumed},
                       {"events", &watch.events},
                       {"previous-values", &watch.previous},
                       {"catch-ups", &watch.catch_ups},
                       {"progress-asked", &watch.progress_asked},
                       {"progress-answered", &watch.progress_answered},
                       {"progress-periodic", &watch.progress_periodic},
                       {"full-sinks", &watch.full},
                       {"from-compacted", &watch.from_compacted}};
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

}  // namespace regent::sim
