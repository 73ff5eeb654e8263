#include "tests/bench/loader.h"

#include <algorithm>
#include <string>

namespace regent::bench {
namespace {

constexpr nanoseconds kAnswerTimeout = std::chrono::seconds(15);
constexpr uint64_t kProgressMarks = 20;

}  // namespace

Loader::Loader(const LoaderOptions& options, Workload& workload)
    : options_(options),
      workload_(workload),
      connections_(options.endpoint, options.connections),
      compaction_(options.compact_every),
      wrong_(workload.clients()) {
  for (size_t i = workload.clients(); i > 0; --i) idle_.push_back(i - 1);
}

void Loader::Run() {
  next_due_ = connections_.now();
  const Clock::time_point measure_from = connections_.now() + Seconds(options_.warmup_seconds);
  const Clock::time_point stop_at = measure_from + Seconds(options_.seconds);
  while (!over_) {
    const Clock::time_point now = connections_.now();
    if (!measuring_ && now >= measure_from) BeginMeasuring();
    if (measuring_) compaction_.StartIfDue(connections_.at(0), now);
    if (now >= stop_at || (!MaySend() && outstanding_ == 0)) over_ = true;
    SendDue();
    connections_.Wait(WaitTime());
    if (connections_.all_broken()) over_ = true;
    if (outstanding_ == 0 && !open_loop() && idle_.empty()) over_ = true;  // every client has nothing left to do
  }
  EndMeasuring();
  while ((outstanding_ > 0 || compaction_.running()) && connections_.now() < end_ + kAnswerTimeout &&
         !connections_.all_broken()) {
    connections_.Flush();
    connections_.Wait(std::chrono::milliseconds(100));
  }
  if (outstanding_ > 0) {
    CountError("not answered in time", outstanding_);
    measured_.Record(kAnswerTimeout, outstanding_);
  }
  if (compaction_.failed()) CountError("a compaction failed", 1);
}

void Loader::BeginMeasuring() {
  measuring_ = true;
  begin_ = connections_.now();
  own_cpu_seconds_ = OwnCpuSeconds();
  server_before_ = UsageOfAll(options_.server_pids);
}

void Loader::EndMeasuring() {
  end_ = connections_.now();
  own_cpu_seconds_ = OwnCpuSeconds() - own_cpu_seconds_;
  server_after_ = UsageOfAll(options_.server_pids);
  elapsed_seconds_ = SecondsIn(end_ - begin_);
  if (open_loop() && idle_.empty() && next_due_ < end_) {
    kept_back_ = static_cast<uint64_t>(SecondsIn(end_ - next_due_) * options_.rate);
    measured_.Record(kAnswerTimeout, kept_back_);
  }
}

void Loader::SendDue() {
  const Clock::time_point now = connections_.now();
  const nanoseconds interval = open_loop() ? Seconds(1 / options_.rate) : nanoseconds(0);
  while (!idle_.empty() && MaySend() && (!open_loop() || next_due_ <= now)) {
    const size_t client = idle_.back();
    idle_.pop_back();
    Send(client, open_loop() ? next_due_ : now);
    next_due_ += interval;
  }
  connections_.Flush();
}

void Loader::Send(size_t client, Clock::time_point due) {
  const Request request = workload_.Next(client);
  if (request.path == nullptr) return;  // the client leaves: it is neither idle nor outstanding
  ++outstanding_;
  ++sent_;
  const auto on_end = [this, client, due](const Reply& reply) { OnReply(client, due, reply); };
  if (!request.streaming) return connections_.at(client).Call(request.path, request.message, on_end);
  const auto on_part = [this, client](std::string_view part) {
    if (!workload_.AcceptPart(client, part)) wrong_[client] = true;
  };
  connections_.at(client).CallStreaming(request.path, request.message, on_part, on_end);
}

void Loader::OnReply(size_t client, Clock::time_point due, const Reply& reply) {
  --outstanding_;
  idle_.push_back(client);
  const bool good = reply.grpc_status == 0 && workload_.Accept(client, reply.message) && !wrong_[client];
  wrong_[client] = false;
  if (!good) {
    CountError(reply.grpc_status == 0 ? "wrong answer" : std::to_string(reply.grpc_status) + " " + reply.grpc_message,
               1);
  }
  if (!measuring_ || due < begin_) return;
  const nanoseconds latency = good ? nanoseconds(connections_.now() - due) : kAnswerTimeout;
  measured_.Record(latency);
  compaction_.Record(due, latency);
  MarkProgress();
}

void Loader::CountError(const std::string& text, uint64_t times) {
  errors_ += times;
  error_texts_[text] += times;
}

void Loader::MarkProgress() {
  const uint64_t all = workload_.operations();
  if (all == 0) return;
  while (progress_.size() < kProgressMarks && measured_.total() * kProgressMarks >= all * (progress_.size() + 1)) {
    progress_.push_back(connections_.now());
  }
}

nanoseconds Loader::WaitTime() const {
  if (over_ || !open_loop() || idle_.empty()) return std::chrono::milliseconds(100);
  return std::clamp<nanoseconds>(next_due_ - connections_.now(), nanoseconds(0), std::chrono::milliseconds(100));
}

void Loader::Report(JsonObject& to) const {
  const double operations = static_cast<double>(measured_.total());
  const double unit_count = operations * static_cast<double>(workload_.units());
  to.Add("loop", open_loop() ? "open" : "closed");
  to.Add("rate", options_.rate);
  to.Add("connections", static_cast<double>(options_.connections));
  to.Add("seconds", elapsed_seconds_);
  to.Add("operations", operations);
  to.Add("operations_per_second", operations / elapsed_seconds_);
  to.Add("units_per_second", unit_count / elapsed_seconds_);
  to.Add("errors", static_cast<double>(errors_));
  to.Add("kept_back", static_cast<double>(kept_back_));
  to.Add("latency_us", measured_);
  to.Add("loader_cpu_share", own_cpu_seconds_ / elapsed_seconds_);
  to.Add("loader_cpu_us_per_operation", own_cpu_seconds_ / std::max(1.0, operations) * 1e6);
  if (!options_.server_pids.empty()) {
    const double cpu_seconds = server_after_.cpu_seconds - server_before_.cpu_seconds;
    to.Add("server_cpu_share", cpu_seconds / elapsed_seconds_);
    to.Add("server_cpu_us_per_operation", cpu_seconds / std::max(1.0, operations) * 1e6);
    to.Add("server_resident_peak_bytes", server_after_.resident_peak_bytes);
    to.Add("server_anonymous_bytes", server_after_.anonymous_bytes);
  }
  // A tenth of the units, divided by the time that it took. So few that they come together have no speed.
  if (progress_.size() == kProgressMarks && progress_[kProgressMarks - 1] > progress_[kProgressMarks - 3]) {
    const double tenth = unit_count / 10;
    to.Add("first_tenth_per_second", tenth / SecondsIn(progress_[1] - begin_));
    to.Add("last_tenth_per_second", tenth / SecondsIn(progress_[kProgressMarks - 1] - progress_[kProgressMarks - 3]));
  }
  if (options_.compact_every > 0) compaction_.Report(to);
  if (!error_texts_.empty()) to.Add("first_error", error_texts_.begin()->first);
}

}  // namespace regent::bench
