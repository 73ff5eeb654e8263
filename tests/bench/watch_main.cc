// Watchers beside writes; prints one JSON object.
//
//   bench_watch --endpoint HOST:PORT --watchers 10000 --connections 100                    one key, every watcher sees
//   it bench_watch --endpoint HOST:PORT --watchers 150 --connections 5 --prefixes 30 --prev-kv 1 --rate 1000
//   bench_watch --endpoint HOST:PORT --behind /registry/bench/ --seconds 10
//
// The first two open the watchers, spread over one stream per connection, and then put: at a rate, or, without one, as
// soon as every watcher has the value before. A latency is the time from when a put was due to its arrival at one
// watcher. The third reads a prefix from the first revision to the newest one, again and again, beside another load.
#include <memory>

#include "tests/bench/fan_out.h"
#include "tests/bench/flags.h"
#include "tests/bench/watch_behind.h"

namespace regent::bench {
namespace {

int Main(int argc, char** argv) {
  Flags flags(argc, argv);
  FanOutOptions options;
  const std::string endpoint = flags.Text("--endpoint", "127.0.0.1:2379");
  options.endpoint = endpoint;
  options.watchers = flags.Number("--watchers", 1);
  options.connections = flags.Number("--connections", 1);
  options.prefixes = flags.Number("--prefixes", 1);
  options.previous_values = flags.Number("--prev-kv", 0) != 0;
  options.value_bytes = flags.Number("--value-bytes", 256);
  options.rate = flags.Real("--rate", 0);
  options.seconds = flags.Real("--seconds", 10);
  options.warmup_seconds = flags.Real("--warmup", 1);
  options.seed = flags.Number("--seed", 1);
  options.server_pid = static_cast<int>(flags.Number("--server-pid", 0));
  const std::string behind = flags.Text("--behind", "");
  flags.RefuseUnread();
  if (options.connections == 0 || options.watchers == 0 || options.prefixes == 0) flags.Refuse("a count of zero");

  JsonObject result;
  bool good = false;
  if (!behind.empty()) {
    WatchBehind watch(endpoint, behind);
    good = watch.Run(options.seconds);
    watch.Report(result);
  } else {
    FanOut fan_out(options);
    good = fan_out.Run();
    fan_out.Report(result);
  }
  result.Print();
  return good ? 0 : 1;
}

}  // namespace
}  // namespace regent::bench

int main(int argc, char** argv) { return regent::bench::Main(argc, argv); }
