#include "tests/bench/lease_renewals.h"

#include <algorithm>

#include "tests/bench/process_usage.h"
#include "tests/bench/requests.h"

namespace regent::bench {
namespace {

using api::BytesTag;
using api::VarintTag;

constexpr int64_t kSecondsToLive = 600;
constexpr size_t kGrantsAtOnce = 256;
constexpr size_t kUnansweredMax = 128;  // of one stream: a server that is behind is not buried
constexpr nanoseconds kPatience = std::chrono::seconds(60);

std::string EncodeNumber(int64_t number) {  // a lease's life in a grant, its id in a renewal
  std::string out;
  api::AppendInt64(out, 1, number);
  return out;
}

}  // namespace

LeaseRenewals::LeaseRenewals(const LeaseOptions& options)
    : options_(options),
      connections_(options.endpoint, options.connections + 1),
      puts_(options.put_rate, options.seed),
      streams_(options.connections) {}

bool LeaseRenewals::Run() {
  for (size_t i = 0; i < kGrantsAtOnce; ++i) GrantNext();
  connections_.Flush();
  const Clock::time_point give_up = Clock::now() + kPatience;
  while (leases_.size() < options_.leases && errors_ == 0 && connections_.now() < give_up) {
    connections_.Wait(Seconds(0.1));
  }
  if (leases_.size() < options_.leases) Fail("the leases were not granted in time");
  OpenStreams();
  next_due_ = Clock::now();
  puts_.Start(next_due_);
  RunUntil(next_due_ + Seconds(options_.warmup_seconds));
  begin_ = connections_.now();
  puts_.Measure(begin_);
  const uint64_t answered_before = answered_;
  const double cpu_before = UsageOf(options_.server_pid).cpu_seconds;
  own_cpu_seconds_ = OwnCpuSeconds();
  RunUntil(begin_ + Seconds(options_.seconds));
  elapsed_seconds_ = SecondsIn(connections_.now() - begin_);
  measured_ = answered_ - answered_before;
  own_cpu_seconds_ = OwnCpuSeconds() - own_cpu_seconds_;
  server_cpu_seconds_ = UsageOf(options_.server_pid).cpu_seconds - cpu_before;
  const Clock::time_point end = connections_.now() + kPatience;
  while ((answered_ < sent_ || puts_.outstanding() > 0) && errors_ == 0 && connections_.now() < end) {
    connections_.Wait(Seconds(0.1));
  }
  if (answered_ < sent_) Fail("renewals were not answered");
  if (puts_.failed() > 0 || puts_.outstanding() > 0) Fail("a put failed");
  return errors_ == 0;
}

void LeaseRenewals::GrantNext() {
  if (granting_ == options_.leases || errors_ > 0) return;
  connections_.at(granting_++).Call(kLeaseGrantPath, EncodeNumber(kSecondsToLive), [this](const Reply& reply) {
    const int64_t lease = FieldOf(reply.message, VarintTag(2)).int64();
    if (reply.grpc_status != 0 || lease == 0) return Fail("a lease was refused: " + reply.grpc_message);
    leases_.push_back(lease);
    GrantNext();
    connections_.Flush();
  });
}

void LeaseRenewals::OpenStreams() {
  for (size_t i = 0; i < streams_.size(); ++i) {
    streams_[i].stream = connections_.at(i).Open(
        kLeaseKeepAlivePath, [this, i](std::string_view message) { OnAnswer(i, message); },
        [this](const Reply& reply) { Fail("a stream of renewals ended: " + reply.grpc_message); });
  }
}

void LeaseRenewals::RunUntil(Clock::time_point end) {
  while (connections_.now() < end && errors_ == 0 && !connections_.all_broken()) {
    RenewDue();
    puts_.SendDue(connections_.at(streams_.size()), connections_.now());
    connections_.Flush();
    const nanoseconds wait = std::min(next_due_, puts_.next_due()) - connections_.now();
    connections_.Wait(std::clamp<nanoseconds>(wait, nanoseconds(0), std::chrono::milliseconds(10)));
  }
}

void LeaseRenewals::RenewDue() {
  for (; next_due_ <= connections_.now(); next_due_ += Seconds(1 / options_.renewal_rate)) {
    const size_t number = sent_ % streams_.size();
    Renewing& renewing = streams_[number];
    if (renewing.due.size() >= kUnansweredMax) return;
    connections_.at(number).Send(renewing.stream, EncodeNumber(leases_[sent_ % leases_.size()]));
    renewing.due.push_back(next_due_);
    ++sent_;
  }
}

void LeaseRenewals::OnAnswer(size_t number, std::string_view message) {
  Renewing& renewing = streams_[number];
  if (renewing.due.empty()) return Fail("an answer that nobody asked for");
  if (FieldOf(message, VarintTag(3)).int64() <= 0) return Fail("a lease was not renewed");
  if (renewing.due.front() >= begin_) latencies_.Record(connections_.now() - renewing.due.front());
  renewing.due.pop_front();
  ++answered_;
}

void LeaseRenewals::Fail(const std::string& what) {
  if (++errors_ == 1) first_error_ = what;
}

void LeaseRenewals::Report(JsonObject& to) const {
  to.Add("leases", static_cast<double>(options_.leases));
  to.Add("seconds", elapsed_seconds_);
  to.Add("renewals_per_second", static_cast<double>(measured_) / elapsed_seconds_);
  to.Add("latency_us", latencies_);
  to.Add("puts_us", puts_.latencies());
  to.Add("server_cpu_us_per_renewal",
         server_cpu_seconds_ / static_cast<double>(std::max<uint64_t>(1, measured_)) * 1e6);
  to.Add("loader_cpu_share", own_cpu_seconds_ / elapsed_seconds_);
  to.Add("errors", static_cast<double>(errors_));
  if (!first_error_.empty()) to.Add("first_error", first_error_);
}

}  // namespace regent::bench
