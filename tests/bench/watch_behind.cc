#include "tests/bench/watch_behind.h"

#include <optional>
#include <utility>

#include "tests/bench/requests.h"

namespace regent::bench {

using api::BytesTag;
using api::VarintTag;

WatchBehind::WatchBehind(const std::string& endpoint, std::string prefix)
    : prefix_(std::move(prefix)), connections_(endpoint, 1) {}

bool WatchBehind::Run(double seconds) {
  const Clock::time_point begin = connections_.now();
  stream_ = connections_.at(0).Open(
      kWatchPath, [this](std::string_view message) { OnMessage(message); },
      [this](const Reply& reply) { Fail("the watch stream ended: " + reply.grpc_message); });
  AskRevision();
  while (connections_.now() < begin + Seconds(seconds) && errors_ == 0) {
    connections_.Flush();
    connections_.Wait(std::chrono::milliseconds(20));
  }
  elapsed_seconds_ = SecondsIn(connections_.now() - begin);
  return errors_ == 0 && events_ > 0;
}

void WatchBehind::AskRevision() {
  connections_.at(0).Call(kRangePath, EncodeRange({.key = prefix_, .count_only = true}), [this](const Reply& reply) {
    if (reply.grpc_status != 0) return Fail("a read failed: " + reply.grpc_message);
    Begin(HeaderRevision(reply.message));
  });
}

void WatchBehind::Begin(int64_t target) {
  target_ = target;
  newest_ = 0;
  connections_.at(0).Send(
      stream_,
      EncodeWatchCreate({.key = prefix_, .range_end = PrefixEnd(prefix_), .start_revision = 1, .watch_id = watch_id_}));
}

void WatchBehind::OnMessage(std::string_view message) {
  if (FieldOf(message, VarintTag(2)).int64() != watch_id_) return;  // of the pass before
  if (FieldOf(message, VarintTag(4)).boolean()) return Fail("the watcher was cancelled");
  const int64_t newest_before = newest_;
  api::WireReader reader(message);
  while (const std::optional<api::WireField> field = reader.Next()) {
    if (field->tag != BytesTag(11)) continue;
    const int64_t revision = FieldOf(FieldOf(field->bytes, BytesTag(2)).bytes, VarintTag(3)).int64();
    if (revision < newest_) return Fail("an event came out of order");
    newest_ = revision;
    ++events_;
  }
  if (newest_before >= target_ || newest_ < target_) return;
  ++passes_;
  connections_.at(0).Send(stream_, EncodeWatchCancel(watch_id_));
  ++watch_id_;  // what still comes for the one before is not looked at
  AskRevision();
}

void WatchBehind::Fail(const std::string& what) {
  if (++errors_ == 1) first_error_ = what;
}

void WatchBehind::Report(JsonObject& to) const {
  to.Add("seconds", elapsed_seconds_);
  to.Add("events", static_cast<double>(events_));
  to.Add("events_per_second", static_cast<double>(events_) / elapsed_seconds_);
  to.Add("passes", static_cast<double>(passes_));
  to.Add("errors", static_cast<double>(errors_));
  if (!first_error_.empty()) to.Add("first_error", first_error_);
}

}  // namespace regent::bench
