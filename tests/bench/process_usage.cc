#include "tests/bench/process_usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace regent::bench {

ProcessUsage UsageOf(int pid) {
  ProcessUsage usage;
  if (pid == 0) return usage;
  const std::string folder = "/proc/" + std::to_string(pid);
  std::ifstream stat(folder + "/stat");
  std::string line;
  std::getline(stat, line);
  std::istringstream fields(line.substr(std::min(line.size(), line.rfind(')') + 1)));
  std::string field;
  double ticks = 0;
  for (int i = 0; i < 13 && fields >> field; ++i) {
    if (i >= 11) ticks += std::atof(field.c_str());  // utime and stime
  }
  usage.cpu_seconds = ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
  std::ifstream status(folder + "/status");
  while (std::getline(status, line)) {
    if (line.rfind("VmRSS:", 0) == 0) usage.resident_bytes = std::atof(line.c_str() + 6) * 1024;
    if (line.rfind("VmHWM:", 0) == 0) usage.resident_peak_bytes = std::atof(line.c_str() + 6) * 1024;
    if (line.rfind("RssAnon:", 0) == 0) usage.anonymous_bytes = std::atof(line.c_str() + 8) * 1024;
  }
  return usage;
}

ProcessUsage UsageOfAll(const std::string& pids) {
  ProcessUsage sum;
  std::istringstream list(pids);
  for (std::string pid; std::getline(list, pid, ',');) {
    const ProcessUsage one = UsageOf(std::atoi(pid.c_str()));
    sum.cpu_seconds += one.cpu_seconds;
    sum.resident_bytes += one.resident_bytes;
    sum.resident_peak_bytes += one.resident_peak_bytes;
    sum.anonymous_bytes += one.anonymous_bytes;
  }
  return sum;
}

double OwnCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace regent::bench
