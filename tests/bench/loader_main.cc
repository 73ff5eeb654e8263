// A light load generator for any etcd-compatible server; prints one JSON object.
//
//   bench_loader --endpoint 127.0.0.1:2379 --workload put --clients 64 --connections 16 --seconds 10
//
// Workloads: see WorkloadOptions. Everything random comes from --seed.
#include <memory>

#include "tests/bench/flags.h"
#include "tests/bench/loader.h"

namespace regent::bench {
namespace {

int Main(int argc, char** argv) {
  Flags flags(argc, argv);
  WorkloadOptions work;
  work.name = flags.Text("--workload", "put");
  work.clients = flags.Number("--clients", 1);
  work.keys = flags.Number("--keys", work.keys);
  work.value_bytes = flags.Number("--value-bytes", work.value_bytes);
  work.page_limit = static_cast<int64_t>(flags.Number("--page-limit", 500));
  work.prefix = flags.Text("--prefix", work.prefix);
  work.seed = flags.Number("--seed", 1);
  LoaderOptions options;
  options.endpoint = flags.Text("--endpoint", options.endpoint);
  options.connections = flags.Number("--connections", 1);
  // A workload with an end runs to it, not for a time.
  const bool ends = work.name == "fill" || work.name == "compact";
  options.seconds = flags.Real("--seconds", ends ? 1e6 : 10);
  options.warmup_seconds = flags.Real("--warmup", ends ? 0 : 1);
  options.operations = flags.Number("--operations", 0);
  options.rate = flags.Real("--rate", 0);
  options.compact_every = flags.Real("--compact-every", 0);
  options.server_pids = flags.Text("--server-pid", "");
  flags.RefuseUnread();
  if (options.connections == 0 || work.clients == 0 || work.keys == 0) flags.Refuse("a count of zero");
  const std::unique_ptr<Workload> workload = MakeWorkload(work);
  if (workload == nullptr) flags.Refuse("no workload is called " + work.name);

  Loader loader(options, *workload);
  loader.Run();
  JsonObject result;
  result.Add("workload", work.name);
  result.Add("clients", static_cast<double>(work.clients));
  result.Add("keys", static_cast<double>(work.keys));
  result.Add("value_bytes", static_cast<double>(work.value_bytes));
  result.Add("seed", static_cast<double>(work.seed));
  loader.Report(result);
  result.Print();
  return loader.failed() ? 1 : 0;
}

}  // namespace
}  // namespace regent::bench

int main(int argc, char** argv) { return regent::bench::Main(argc, argv); }
