#include "tests/bench/fan_out.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

#include "tests/bench/requests.h"
#include "tests/bench/workload.h"

namespace regent::bench {
namespace {

using api::BytesTag;
using api::VarintTag;

constexpr nanoseconds kPatience = std::chrono::seconds(60);
constexpr size_t kNumberDigits = 16;  // at the beginning of each value
constexpr uint64_t kKeysOfPrefix = 100;
constexpr size_t kWatchIdsMax = 1'000'000;

std::string PrefixOf(size_t number) { return "/registry/watched/" + std::to_string(number) + "/"; }

std::string NumberText(uint64_t number) {
  char text[kNumberDigits + 1];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return text;
}

}  // namespace

FanOut::FanOut(const FanOutOptions& options)
    : options_(options),
      random_(options.seed),
      connections_(options.endpoint, options.connections + 1),
      newest_(options.connections) {}

bool FanOut::Run() {
  CreateWatchers();
  if (created_ < options_.watchers) Fail("not all watchers were created in time");
  if (errors_ > 0) return false;
  next_due_ = connections_.now();
  RunUntil(connections_.now() + Seconds(options_.warmup_seconds));
  begin_ = connections_.now();
  const double cpu_before = UsageOf(options_.server_pid).cpu_seconds;
  own_cpu_seconds_ = OwnCpuSeconds();
  const uint64_t arrived_before = arrived_;
  const size_t updates_before = updates_.size();
  RunUntil(begin_ + Seconds(options_.seconds));
  elapsed_seconds_ = SecondsIn(connections_.now() - begin_);
  own_cpu_seconds_ = OwnCpuSeconds() - own_cpu_seconds_;
  server_cpu_seconds_ = UsageOf(options_.server_pid).cpu_seconds - cpu_before;
  measured_deliveries_ = arrived_ - arrived_before;
  measured_updates_ = updates_.size() - updates_before;
  const Clock::time_point give_up = connections_.now() + kPatience;
  while (!AllArrived() && connections_.now() < give_up && !connections_.all_broken()) {
    connections_.Wait(std::chrono::milliseconds(100));
  }
  if (!AllArrived()) {
    Fail(std::to_string(expected_ - arrived_) + " events were not delivered");
    latencies_.Record(kPatience, expected_ - arrived_);
  }
  return errors_ == 0 && latencies_.total() > 0;
}

void FanOut::RunUntil(Clock::time_point end) {
  while (connections_.now() < end && errors_ == 0 && !connections_.all_broken()) {
    PutDue();
    connections_.Wait(WaitTime());
  }
}

size_t FanOut::WatchersOf(size_t prefix) const {
  return options_.watchers / options_.prefixes + (prefix < options_.watchers % options_.prefixes ? 1 : 0);
}

void FanOut::CreateWatchers() {
  for (size_t i = 0; i < options_.connections; ++i) {
    H2Connection::Stream* const stream = connections_.at(i).Open(
        kWatchPath, [this, i](std::string_view message) { OnWatchMessage(i, message); },
        [this](const Reply& reply) { Fail("a watch stream ended: " + reply.grpc_message); });
    if (stream == nullptr) return;
    for (size_t watcher = i; watcher < options_.watchers; watcher += options_.connections) {
      const size_t prefix = watcher / options_.connections % options_.prefixes;
      const bool one_key = options_.prefixes == 1;
      const std::string key = PrefixOf(prefix);
      connections_.at(i).Send(
          stream, EncodeWatchCreate(
                      {.key = key, .range_end = one_key ? "" : PrefixEnd(key), .prev_kv = options_.previous_values}));
    }
  }
  connections_.Flush();
  const Clock::time_point give_up = Clock::now() + kPatience;
  while (created_ < options_.watchers && errors_ == 0 && connections_.now() < give_up) {
    connections_.Wait(std::chrono::milliseconds(100));
  }
}

void FanOut::PutDue() {
  if (options_.rate == 0) {
    if (AllArrived()) Put(connections_.now());
  } else {
    for (; next_due_ <= connections_.now(); next_due_ += Seconds(1 / options_.rate)) Put(next_due_);
  }
  connections_.at(options_.connections).Flush();
}

nanoseconds FanOut::WaitTime() const {
  if (options_.rate == 0) return std::chrono::milliseconds(100);
  return std::clamp<nanoseconds>(next_due_ - connections_.now(), nanoseconds(0), std::chrono::milliseconds(100));
}

void FanOut::Put(Clock::time_point due) {
  const size_t number = updates_.size();
  const size_t prefix = number % options_.prefixes;
  updates_.push_back({due, WatchersOf(prefix)});
  expected_ += WatchersOf(prefix);
  const std::string key = PrefixOf(prefix) + (options_.prefixes == 1 ? "" : std::to_string(random_() % kKeysOfPrefix));
  const std::string value = NumberText(number) + RealisticValue(random_, options_.value_bytes - kNumberDigits);
  connections_.at(options_.connections).Call(kPutPath, EncodePut(key, value), [this, number](const Reply& reply) {
    if (reply.grpc_status != 0) Fail("a put failed: " + reply.grpc_message);
    updates_[number].answered = true;
    ++answered_;
  });
}

void FanOut::OnWatchMessage(size_t connection, std::string_view message) {
  int64_t watch_id = 0;
  api::WireReader reader(message);
  while (const std::optional<api::WireField> field = reader.Next()) {
    if (field->tag == VarintTag(2)) watch_id = field->int64();
    if (field->tag == VarintTag(3)) created_ += field->boolean() ? 1 : 0;
    if (field->tag == VarintTag(4) && field->boolean()) Fail("a watcher was cancelled");
    if (field->tag == BytesTag(11)) OnEvent(connection, watch_id, field->bytes);
  }
}

void FanOut::OnEvent(size_t connection, int64_t watch_id, std::string_view event) {
  std::string_view value;
  int64_t revision = 0, version = 0;
  bool previous = false;
  api::WireReader reader(event);
  while (const std::optional<api::WireField> field = reader.Next()) {
    if (field->tag == BytesTag(3)) previous = true;
    if (field->tag != BytesTag(2)) continue;
    api::WireReader key_value(field->bytes);
    while (const std::optional<api::WireField> part = key_value.Next()) {
      if (part->tag == VarintTag(3)) revision = part->int64();
      if (part->tag == VarintTag(4)) version = part->int64();
      if (part->tag == BytesTag(5)) value = part->bytes;
    }
  }
  const size_t id = static_cast<size_t>(watch_id);
  if (id > kWatchIdsMax || value.size() < kNumberDigits) return Fail("a strange event");
  std::vector<int64_t>& newest = newest_[connection];
  if (newest.size() <= id) newest.resize(id + 1);
  if (revision <= newest[id]) return Fail("an event came twice or out of order");
  newest[id] = revision;
  if (options_.previous_values && version > 1 && !previous) return Fail("an update without its previous value");
  uint64_t number = 0;
  std::from_chars(value.data(), value.data() + kNumberDigits, number, 16);
  if (number >= updates_.size() || updates_[number].awaited == 0) return Fail("an event that nobody caused");
  --updates_[number].awaited;
  ++arrived_;
  if (updates_[number].due >= begin_) latencies_.Record(connections_.now() - updates_[number].due);
}

void FanOut::Fail(const std::string& what) {
  if (++errors_ == 1) first_error_ = what;
}

void FanOut::Report(JsonObject& to) const {
  const double deliveries = static_cast<double>(std::max<uint64_t>(1, measured_deliveries_));
  to.Add("watchers", static_cast<double>(options_.watchers));
  to.Add("connections", static_cast<double>(options_.connections));
  to.Add("seconds", elapsed_seconds_);
  to.Add("updates", static_cast<double>(measured_updates_));
  to.Add("delivered", static_cast<double>(measured_deliveries_));
  to.Add("delivered_per_second", static_cast<double>(measured_deliveries_) / elapsed_seconds_);
  to.Add("latency_us", latencies_);
  to.Add("server_cpu_us_per_event", server_cpu_seconds_ / deliveries * 1e6);
  to.Add("server_cpu_share", server_cpu_seconds_ / elapsed_seconds_);
  to.Add("loader_cpu_share", own_cpu_seconds_ / elapsed_seconds_);
  to.Add("errors", static_cast<double>(errors_));
  if (!first_error_.empty()) to.Add("first_error", first_error_);
}

}  // namespace regent::bench
