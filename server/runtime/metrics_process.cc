#include "server/runtime/metrics_process.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

namespace regent::server {
namespace {

// The fields of /proc/self/stat after the command's name, which may hold blanks and parentheses itself. Index 0 is the
// third field of proc(5).
std::vector<std::string> StatFields() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const size_t end_of_name = line.rfind(')');
  if (end_of_name == std::string::npos) return {};
  std::istringstream rest(line.substr(end_of_name + 1));
  std::vector<std::string> fields;
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

// When the machine started, as Unix time; 0 if the system does not say.
double BootTimeSeconds() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("btime ", 0) == 0) return std::stod(line.substr(6));
  }
  return 0;
}

double CountOpenFiles() {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return 0;
  double count = 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count - 3;  // ".", ".." and the directory's own descriptor
}

// From /proc/self/net/netstat, which has a line of names before each line of numbers.
void RefreshNetworkBytes(Metrics& metrics) {
  std::ifstream file("/proc/self/net/netstat");
  for (std::string names, numbers; std::getline(file, names) && std::getline(file, numbers);) {
    std::istringstream name_words(names), number_words(numbers);
    for (std::string word, number; name_words >> word && number_words >> number;) {
      if (word == "InOctets") metrics.process_network_receive_bytes_total.Set(std::stod(number));
      if (word == "OutOctets") metrics.process_network_transmit_bytes_total.Set(std::stod(number));
    }
  }
}

double Limit(int resource) {
  rlimit limit{};
  if (getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return 0;
  return limit.rlim_cur == RLIM_INFINITY ? static_cast<double>(std::numeric_limits<uint64_t>::max())
                                         : static_cast<double>(limit.rlim_cur);
}

void Refresh(Metrics& metrics) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  metrics.process_cpu_seconds_total.Set(seconds(usage.ru_utime) + seconds(usage.ru_stime));

  constexpr size_t kStartTime = 19, kVirtualBytes = 20, kResidentPages = 21;  // fields 22 to 24 of proc(5)
  if (const std::vector<std::string> fields = StatFields(); fields.size() > kResidentPages) {
    const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    metrics.process_start_time_seconds.Set(BootTimeSeconds() + std::stod(fields[kStartTime]) / ticks);
    metrics.process_virtual_memory_bytes.Set(std::stod(fields[kVirtualBytes]));
    metrics.process_resident_memory_bytes.Set(std::stod(fields[kResidentPages]) *
                                              static_cast<double>(sysconf(_SC_PAGESIZE)));
  }
  RefreshNetworkBytes(metrics);
  metrics.process_virtual_memory_max_bytes.Set(Limit(RLIMIT_AS));
  const double open_files = CountOpenFiles(), files_max = Limit(RLIMIT_NOFILE);
  metrics.process_open_fds.Set(open_files);
  metrics.process_max_fds.Set(files_max);
  metrics.os_fd_used.Set(open_files);
  metrics.os_fd_limit.Set(files_max);
}

}  // namespace

void CollectProcessMetrics(Metrics& metrics) {
  metrics.registry.BeforeScrape([&metrics] { Refresh(metrics); });
}

}  // namespace regent::server
