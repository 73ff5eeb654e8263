// What idle clients cost a server: opens many connections with a watch stream and a watcher each, waits, and prints how
// much more memory the server holds.
//
//   bench_idle --endpoint HOST:PORT --server-pid PID --connections 10000 --settle 3
#include <sys/resource.h>

#include <string>

#include "tests/bench/connections.h"
#include "tests/bench/flags.h"
#include "tests/bench/json.h"
#include "tests/bench/process_usage.h"
#include "tests/bench/requests.h"

namespace regent::bench {
namespace {

constexpr nanoseconds kPatience = std::chrono::seconds(120);

int Main(int argc, char** argv) {
  Flags flags(argc, argv);
  const std::string endpoint = flags.Text("--endpoint", "127.0.0.1:2379");
  const int server_pid = static_cast<int>(flags.Number("--server-pid", 0));
  const size_t count = flags.Number("--connections", 1000);
  const double settle_seconds = flags.Real("--settle", 3);
  flags.RefuseUnread();
  if (server_pid == 0 || count == 0) flags.Refuse("a count or a process of zero");
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  const ProcessUsage before = UsageOf(server_pid);
  Connections connections(endpoint, count);
  size_t created = 0, errors = 0;
  for (size_t i = 0; i < count; ++i) {
    H2Connection::Stream* const stream = connections.at(i).Open(
        kWatchPath,
        [&created](std::string_view message) { created += FieldOf(message, api::VarintTag(3)).boolean() ? 1 : 0; },
        [&errors](const Reply&) { ++errors; });
    if (stream != nullptr) connections.at(i).Send(stream, EncodeWatchCreate({.key = "/idle/" + std::to_string(i)}));
  }
  connections.Flush();
  const Clock::time_point give_up = Clock::now() + kPatience;
  while (created < count && errors == 0 && connections.now() < give_up) connections.Wait(Seconds(0.1));
  const Clock::time_point settled = Clock::now() + Seconds(settle_seconds);
  while (connections.now() < settled && errors == 0) connections.Wait(Seconds(0.1));
  const ProcessUsage after = UsageOf(server_pid);

  errors += count - created;
  JsonObject result;
  result.Add("connections", static_cast<double>(created));
  result.Add("resident_before_bytes", before.resident_bytes);
  result.Add("resident_bytes", after.resident_bytes);
  result.Add("anonymous_bytes", after.anonymous_bytes);
  result.Add("bytes_per_connection", (after.resident_bytes - before.resident_bytes) / static_cast<double>(count));
  result.Add("errors", static_cast<double>(errors));
  if (errors > 0) result.Add("first_error", "a stream was refused or ended");
  result.Print();
  return errors == 0 ? 0 : 1;
}

}  // namespace
}  // namespace regent::bench

int main(int argc, char** argv) { return regent::bench::Main(argc, argv); }
