#include "tests/bench/lease_expiry.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "tests/bench/process_usage.h"
#include "tests/bench/requests.h"

namespace regent::bench {
namespace {

using api::BytesTag;
using api::VarintTag;

constexpr std::string_view kPrefix = "/leased/";
constexpr size_t kClients = 256;                              // that grant at the same time
constexpr nanoseconds kPatience = std::chrono::seconds(600);  // after the common end
constexpr nanoseconds kQuietAfter = std::chrono::seconds(1);  // how long the puts are watched at least

std::string EncodeGrant(int64_t seconds_to_live) {
  std::string out;
  api::AppendInt64(out, 1, seconds_to_live);
  return out;
}

}  // namespace

LeaseExpiry::LeaseExpiry(const LeaseOptions& options)
    : options_(options),
      random_(options.seed),
      connections_(options.endpoint, options.connections + 1),
      puts_(options.put_rate, options.seed),
      leases_(options.leases) {}

bool LeaseExpiry::Run() {
  Watch();
  const Clock::time_point begin = Clock::now();
  end_of_all_ = begin + Seconds(options_.lead_seconds);
  for (size_t client = 0; client < kClients; ++client) GrantNext(client);
  connections_.Flush();
  WaitFor(end_of_all_ - Seconds(3), attached_);
  if (attached_ < options_.leases) Fail("the leases were not ready in time: a longer --lead is needed");
  if (errors_ > 0) return false;
  grants_per_second_ = static_cast<double>(attached_) / SecondsIn(connections_.now() - begin);

  size_t nothing = 0;
  puts_.Start(Clock::now());
  WaitFor(end_of_all_, nothing);
  puts_.Measure(connections_.now());
  const double cpu_before = UsageOf(options_.server_pid).cpu_seconds;
  WaitFor(end_of_all_ + kQuietAfter, nothing);
  WaitFor(end_of_all_ + kPatience, gone_);
  server_cpu_seconds_ = UsageOf(options_.server_pid).cpu_seconds - cpu_before;
  if (gone_ < options_.leases) Fail(std::to_string(options_.leases - gone_) + " leases did not end in time");
  if (puts_.failed() > 0) Fail("a put failed");
  return errors_ == 0;
}

// Until `counter` is the number of leases, or `end`.
void LeaseExpiry::WaitFor(Clock::time_point end, const size_t& counter) {
  while (connections_.now() < end && counter < options_.leases && errors_ == 0 && !connections_.all_broken()) {
    puts_.SendDue(connections_.at(options_.connections), connections_.now());
    connections_.at(options_.connections).Flush();
    const Clock::time_point next = std::min(end, puts_.next_due());
    connections_.Wait(
        std::clamp<nanoseconds>(next - connections_.now(), nanoseconds(0), std::chrono::milliseconds(100)));
  }
}

void LeaseExpiry::Watch() {
  H2Connection& connection = connections_.at(options_.connections);
  H2Connection::Stream* const stream = connection.Open(
      kWatchPath, [this](std::string_view message) { OnWatchMessage(message); },
      [this](const Reply& reply) { Fail("the watch stream ended: " + reply.grpc_message); });
  const std::string prefix(kPrefix);
  connection.Send(stream, EncodeWatchCreate({.key = prefix, .range_end = PrefixEnd(prefix)}));
}

void LeaseExpiry::GrantNext(size_t client) {
  if (next_lease_ == options_.leases || errors_ > 0) return;
  const size_t number = next_lease_++;
  const Clock::time_point now = Clock::now();
  const int64_t seconds = std::max<int64_t>(3, static_cast<int64_t>(std::ceil(SecondsIn(end_of_all_ - now))));
  leases_[number].ends = now + std::chrono::seconds(seconds);
  connections_.at(client % options_.connections)
      .Call(kLeaseGrantPath, EncodeGrant(seconds), [this, client, number](const Reply& reply) {
        const int64_t lease = FieldOf(reply.message, VarintTag(2)).int64();
        if (reply.grpc_status != 0 || lease == 0) return Fail("a lease was refused: " + reply.grpc_message);
        AttachKey(client, number, lease);
      });
}

void LeaseExpiry::AttachKey(size_t client, size_t number, int64_t lease) {
  connections_.at(client % options_.connections)
      .Call(kPutPath, EncodePut(std::string(kPrefix) + std::to_string(number), "held", lease),
            [this, client](const Reply& reply) {
              if (reply.grpc_status != 0) return Fail("a put with a lease failed: " + reply.grpc_message);
              ++attached_;
              GrantNext(client);
            });
}

void LeaseExpiry::OnWatchMessage(std::string_view message) {
  api::WireReader reader(message);
  while (const std::optional<api::WireField> field = reader.Next()) {
    if (field->tag == VarintTag(4) && field->boolean()) Fail("the watcher was cancelled");
    const bool deleted = field->tag == BytesTag(11) && FieldOf(field->bytes, VarintTag(1)).varint == 1;
    if (deleted) OnGone(FieldOf(FieldOf(field->bytes, BytesTag(2)).bytes, BytesTag(1)).bytes);
  }
}

void LeaseExpiry::OnGone(std::string_view key) {
  const size_t number = std::strtoull(std::string(key.substr(kPrefix.size())).c_str(), nullptr, 10);
  if (number >= leases_.size() || leases_[number].gone) return Fail("a key went that was not there");
  Lease& lease = leases_[number];
  lease.gone = true;
  ++gone_;
  if (connections_.now() < lease.ends) return Fail("a lease ended before its time");
  lateness_max_seconds_ = std::max(lateness_max_seconds_, SecondsIn(connections_.now() - lease.ends));
}

void LeaseExpiry::Fail(const std::string& what) {
  if (++errors_ == 1) first_error_ = what;
}

void LeaseExpiry::Report(JsonObject& to) const {
  to.Add("leases", static_cast<double>(options_.leases));
  to.Add("grants_with_key_per_second", grants_per_second_);
  to.Add("lateness_max_seconds", lateness_max_seconds_);
  to.Add("puts_us", puts_.latencies());
  to.Add("server_cpu_us_per_lease", server_cpu_seconds_ / static_cast<double>(options_.leases) * 1e6);
  to.Add("errors", static_cast<double>(errors_));
  if (!first_error_.empty()) to.Add("first_error", first_error_);
}

}  // namespace regent::bench
