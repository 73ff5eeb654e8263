// What a process has used so far, from /proc.
#pragma once

#include <string>

namespace regent::bench {

struct ProcessUsage {
  double cpu_seconds = 0;
  double resident_bytes = 0;
  double resident_peak_bytes = 0;
  double anonymous_bytes = 0;
};

// Zeros for process 0 and for one that is gone.
ProcessUsage UsageOf(int pid);
// Of several together, their numbers with commas between them; "": none.
ProcessUsage UsageOfAll(const std::string& pids);

double OwnCpuSeconds();

}  // namespace regent::bench
