// The metrics of the process itself, read from /proc and getrusage at every scrape.
#pragma once

#include "server/runtime/metrics.h"

namespace regent::server {

// Makes each scrape of `metrics` refresh process_* and os_fd_*. `metrics` must outlive its scrapes.
void CollectProcessMetrics(Metrics& metrics);

}  // namespace regent::server
