#include "server/runtime/metrics.h"

namespace regent::server {

// Here, so that the table is compiled once.
Metrics::Metrics() { debugging_mvcc_compact_revision.Set(-1); }
Metrics::~Metrics() = default;

}  // namespace regent::server
