// Leases beside puts; prints one JSON object.
//
//   bench_lease --mode expiry --leases 100000 --lead 45          all end at the same second
//   bench_lease --mode renewals --leases 10000 --renewal-rate 50000
#include "tests/bench/flags.h"
#include "tests/bench/lease_expiry.h"
#include "tests/bench/lease_renewals.h"

namespace regent::bench {
namespace {

template <typename Load>
int RunAndPrint(const LeaseOptions& options) {
  Load load(options);
  const bool good = load.Run();
  JsonObject result;
  load.Report(result);
  result.Print();
  return good ? 0 : 1;
}

int Main(int argc, char** argv) {
  Flags flags(argc, argv);
  LeaseOptions options;
  const std::string mode = flags.Text("--mode", "expiry");
  options.endpoint = flags.Text("--endpoint", "127.0.0.1:2379");
  options.leases = flags.Number("--leases", options.leases);
  options.connections = flags.Number("--connections", options.connections);
  options.put_rate = flags.Real("--put-rate", options.put_rate);
  options.lead_seconds = flags.Real("--lead", options.lead_seconds);
  options.renewal_rate = flags.Real("--renewal-rate", options.renewal_rate);
  options.seconds = flags.Real("--seconds", options.seconds);
  options.warmup_seconds = flags.Real("--warmup", options.warmup_seconds);
  options.seed = flags.Number("--seed", 1);
  options.server_pid = static_cast<int>(flags.Number("--server-pid", 0));
  flags.RefuseUnread();
  if (options.connections == 0 || options.leases == 0) flags.Refuse("a count of zero");
  if (mode == "expiry") return RunAndPrint<LeaseExpiry>(options);
  if (mode == "renewals") return RunAndPrint<LeaseRenewals>(options);
  flags.Refuse("no mode is called " + mode);
}

}  // namespace
}  // namespace regent::bench

int main(int argc, char** argv) { return regent::bench::Main(argc, argv); }
