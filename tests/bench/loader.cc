// A light load generator for any etcd-compatible server; prints one JSON object.
//
//   bench_loader --endpoint 127.0.0.1:2379 --workload put --clients 64 --connections 16 --seconds 10
//
// Closed loop (the default): each client sends its next request when the last one is answered.
// Open loop (--rate N): requests are due at fixed times, whatever the server does; a latency counts from the time at
// which the request was due, so a stall shows in full (no coordinated omission). `--clients` bounds what is
// outstanding. Failed and unanswered requests count as the longest latency. Everything random comes from --seed.
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "tests/bench/h2_client.h"
#include "tests/bench/histogram.h"
#include "tests/bench/workload.h"

namespace regent::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

constexpr nanoseconds kAnswerTimeout = std::chrono::seconds(15);

struct Options {
  std::string endpoint = "127.0.0.1:2379";
  size_t connections = 1;
  double seconds = 10;
  double warmup_seconds = 1;
  double rate = 0;          // of the open loop, per second; 0: closed loop
  uint64_t operations = 0;  // ends the run, too; 0: no limit
  int server_pid = 0;       // 0: unknown; otherwise its processor time and memory are reported
  WorkloadOptions workload;
};

struct ProcessUsage {
  double cpu_seconds = 0;
  double resident_peak_bytes = 0;
  double anonymous_bytes = 0;
};

ProcessUsage UsageOf(int pid) {
  ProcessUsage usage;
  if (pid == 0) return usage;
  const std::string folder = "/proc/" + std::to_string(pid);
  std::ifstream stat(folder + "/stat");
  std::string line;
  std::getline(stat, line);
  std::istringstream fields(line.substr(std::min(line.size(), line.rfind(')') + 1)));
  std::string field;
  double ticks = 0;
  for (int i = 0; i < 13 && fields >> field; ++i) {
    if (i >= 11) ticks += std::atof(field.c_str());  // utime and stime
  }
  usage.cpu_seconds = ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
  std::ifstream status(folder + "/status");
  while (std::getline(status, line)) {
    if (line.rfind("VmHWM:", 0) == 0) usage.resident_peak_bytes = std::atof(line.c_str() + 6) * 1024;
    if (line.rfind("RssAnon:", 0) == 0) usage.anonymous_bytes = std::atof(line.c_str() + 8) * 1024;
  }
  return usage;
}

double OwnCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Loader {
 public:
  Loader(const Options& options, Workload& workload) : options_(options), workload_(workload) {}

  void Run();
  void Print() const;
  bool failed() const { return measured_.total() == 0 || errors_ > 0; }

 private:
  bool open_loop() const { return options_.rate > 0; }
  nanoseconds Seconds(double seconds) const { return nanoseconds(static_cast<int64_t>(seconds * 1e9)); }

  void Connect();
  void BeginMeasuring();
  void SendDue();
  void Send(size_t client, Clock::time_point due);
  void OnReply(size_t client, Clock::time_point due, const Reply& reply);
  void WaitAndRead();
  nanoseconds WaitTime() const;
  bool MaySend() const { return !over_ && (options_.operations == 0 || sent_ < options_.operations); }

  const Options& options_;
  Workload& workload_;
  std::vector<std::unique_ptr<H2Connection>> connections_;
  int epoll_ = -1;
  std::vector<size_t> idle_;  // clients without a request
  size_t outstanding_ = 0;
  uint64_t sent_ = 0;
  bool over_ = false;
  bool measuring_ = false;
  Clock::time_point now_, begin_, end_, next_due_;

  Histogram measured_;
  uint64_t errors_ = 0;
  std::map<std::string, uint64_t> error_texts_;
  double own_cpu_seconds_ = 0;
  double elapsed_seconds_ = 0;
  ProcessUsage server_before_, server_after_;
};

void Loader::Connect() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  for (size_t i = 0; i < options_.connections; ++i) {
    connections_.push_back(std::make_unique<H2Connection>(options_.endpoint));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_.back()->fd(), &event);
  }
  for (size_t i = options_.workload.clients; i > 0; --i) idle_.push_back(i - 1);
}

void Loader::Run() {
  Connect();
  now_ = Clock::now();
  next_due_ = now_;
  const Clock::time_point measure_from = now_ + Seconds(options_.warmup_seconds);
  const Clock::time_point stop_at = measure_from + Seconds(options_.seconds);
  while (!over_) {
    if (!measuring_ && now_ >= measure_from) BeginMeasuring();
    if (now_ >= stop_at || (!MaySend() && outstanding_ == 0)) over_ = true;
    SendDue();
    WaitAndRead();
    if (outstanding_ == 0 && !open_loop() && idle_.empty()) over_ = true;  // every client has nothing left to do
  }
  end_ = now_;
  own_cpu_seconds_ = OwnCpuSeconds() - own_cpu_seconds_;
  server_after_ = UsageOf(options_.server_pid);
  elapsed_seconds_ = std::chrono::duration<double>(end_ - begin_).count();
  while (outstanding_ > 0 && now_ < end_ + kAnswerTimeout) WaitAndRead();
  if (outstanding_ > 0) {
    errors_ += outstanding_;
    error_texts_["not answered in time"] += outstanding_;
    measured_.Record(kAnswerTimeout, outstanding_);
  }
  if (open_loop() && next_due_ < end_) {  // due, but more than `clients` requests were outstanding
    const uint64_t unsent =
        static_cast<uint64_t>(std::chrono::duration<double>(end_ - next_due_).count() * options_.rate);
    error_texts_["not sent in time"] += unsent;
    errors_ += unsent;
    measured_.Record(kAnswerTimeout, unsent);
  }
}

void Loader::BeginMeasuring() {
  measuring_ = true;
  begin_ = Clock::now();
  own_cpu_seconds_ = OwnCpuSeconds();
  server_before_ = UsageOf(options_.server_pid);
}

void Loader::SendDue() {
  if (!open_loop()) {
    while (!idle_.empty() && MaySend()) {
      const size_t client = idle_.back();
      idle_.pop_back();
      Send(client, now_);
    }
  } else {
    const nanoseconds interval = Seconds(1 / options_.rate);
    while (next_due_ <= now_ && !idle_.empty() && MaySend()) {
      const size_t client = idle_.back();
      idle_.pop_back();
      Send(client, next_due_);
      next_due_ += interval;
    }
  }
  for (const std::unique_ptr<H2Connection>& connection : connections_) connection->Flush();
}

void Loader::Send(size_t client, Clock::time_point due) {
  const Request request = workload_.Next(client);
  if (request.path == nullptr) return;  // the client leaves: it is neither idle nor outstanding
  ++outstanding_;
  ++sent_;
  connections_[client % connections_.size()]->Call(
      request.path, request.message, [this, client, due](const Reply& reply) { OnReply(client, due, reply); });
}

void Loader::OnReply(size_t client, Clock::time_point due, const Reply& reply) {
  --outstanding_;
  idle_.push_back(client);
  const bool good = reply.grpc_status == 0 && workload_.Accept(client, reply.message);
  if (!good) {
    ++errors_;
    ++error_texts_[reply.grpc_status == 0 ? "wrong answer"
                                          : std::to_string(reply.grpc_status) + " " + reply.grpc_message];
  }
  if (!measuring_ || due < begin_) return;
  measured_.Record(good ? now_ - due : kAnswerTimeout);
}

nanoseconds Loader::WaitTime() const {
  if (over_ || !open_loop() || idle_.empty()) return std::chrono::milliseconds(100);
  return std::max<nanoseconds>(next_due_ - now_, nanoseconds(0));
}

void Loader::WaitAndRead() {
  epoll_event events[64];
  const nanoseconds wait = WaitTime();
  const timespec timeout{wait.count() / 1'000'000'000, wait.count() % 1'000'000'000};
  const int count = epoll_pwait2(epoll_, events, 64, &timeout, nullptr);
  now_ = Clock::now();
  for (int i = 0; i < count; ++i) {
    H2Connection& connection = *connections_[events[i].data.u64];
    connection.ReadSome();
    if (!connection.broken()) continue;
    epoll_ctl(epoll_, EPOLL_CTL_DEL, connection.fd(), nullptr);
  }
  bool all_broken = true;
  for (const std::unique_ptr<H2Connection>& connection : connections_) {
    all_broken = all_broken && connection->broken();
    if (connection->wants_write() || over_) connection->Flush();
  }
  if (all_broken) over_ = true;
}

void Loader::Print() const {
  const auto microseconds = [](nanoseconds value) { return static_cast<double>(value.count()) / 1e3; };
  const double operations = static_cast<double>(measured_.total());
  const double units = operations * static_cast<double>(workload_.units());
  std::printf("{\"workload\": \"%s\", \"loop\": \"%s\", \"rate\": %.0f, \"clients\": %zu, \"connections\": %zu, ",
              options_.workload.name.c_str(), open_loop() ? "open" : "closed", options_.rate, options_.workload.clients,
              options_.connections);
  std::printf("\"keys\": %llu, \"value_bytes\": %zu, \"seed\": %llu, \"seconds\": %.3f, ",
              static_cast<unsigned long long>(options_.workload.keys), options_.workload.value_bytes,
              static_cast<unsigned long long>(options_.workload.seed), elapsed_seconds_);
  std::printf("\"operations\": %.0f, \"operations_per_second\": %.1f, \"units_per_second\": %.1f, \"errors\": %llu, ",
              operations, operations / elapsed_seconds_, units / elapsed_seconds_,
              static_cast<unsigned long long>(errors_));
  std::printf(
      "\"latency_us\": {\"mean\": %.1f, \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p99.9\": %.1f, \"max\": %.1f}, ",
      measured_.mean_nanoseconds() / 1e3, microseconds(measured_.Percentile(0.5)),
      microseconds(measured_.Percentile(0.9)), microseconds(measured_.Percentile(0.99)),
      microseconds(measured_.Percentile(0.999)), microseconds(measured_.max()));
  std::printf("\"loader_cpu_share\": %.3f, \"loader_cpu_us_per_operation\": %.2f", own_cpu_seconds_ / elapsed_seconds_,
              own_cpu_seconds_ / std::max(1.0, operations) * 1e6);
  if (options_.server_pid != 0) {
    const double cpu_seconds = server_after_.cpu_seconds - server_before_.cpu_seconds;
    std::printf(", \"server_cpu_share\": %.3f, \"server_cpu_us_per_operation\": %.2f", cpu_seconds / elapsed_seconds_,
                cpu_seconds / std::max(1.0, operations) * 1e6);
    std::printf(", \"server_resident_peak_bytes\": %.0f, \"server_anonymous_bytes\": %.0f",
                server_after_.resident_peak_bytes, server_after_.anonymous_bytes);
  }
  if (!error_texts_.empty()) std::printf(", \"first_error\": \"%s\"", error_texts_.begin()->first.c_str());
  std::printf("}\n");
}

[[noreturn]] void Usage(const char* wrong) {
  std::fprintf(stderr,
               "bench_loader: what is %s?\n"
               "  --endpoint HOST:PORT|unix:PATH  --workload put|range|range-serializable|txn-update|count|page|fill\n"
               "  --clients N  --connections N  --seconds S  --warmup S  --operations N  --rate PER_SECOND\n"
               "  --keys N  --value-bytes N  --page-limit N  --prefix TEXT  --seed N  --server-pid PID\n",
               wrong);
  std::exit(2);
}

Options ParseOptions(int argc, char** argv) {
  Options options;
  options.workload.name = "put";
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (i + 1 >= argc) Usage(argv[i]);
    const char* const value = argv[i + 1];
    const auto number = [value] { return std::strtoull(value, nullptr, 10); };
    if (flag == "--endpoint")
      options.endpoint = value;
    else if (flag == "--workload")
      options.workload.name = value;
    else if (flag == "--clients")
      options.workload.clients = number();
    else if (flag == "--connections")
      options.connections = number();
    else if (flag == "--seconds")
      options.seconds = std::atof(value);
    else if (flag == "--warmup")
      options.warmup_seconds = std::atof(value);
    else if (flag == "--operations")
      options.operations = number();
    else if (flag == "--rate")
      options.rate = std::atof(value);
    else if (flag == "--keys")
      options.workload.keys = number();
    else if (flag == "--value-bytes")
      options.workload.value_bytes = number();
    else if (flag == "--page-limit")
      options.workload.page_limit = static_cast<int64_t>(number());
    else if (flag == "--prefix")
      options.workload.prefix = value;
    else if (flag == "--seed")
      options.workload.seed = number();
    else if (flag == "--server-pid")
      options.server_pid = static_cast<int>(number());
    else
      Usage(argv[i]);
  }
  if (options.connections == 0 || options.workload.clients == 0 || options.workload.keys == 0) Usage("a count of zero");
  if (options.workload.name == "fill") {  // to the end, not for a time
    options.warmup_seconds = 0;
    options.seconds = 1e6;
  }
  return options;
}

}  // namespace
}  // namespace regent::bench

int main(int argc, char** argv) {
  const regent::bench::Options options = regent::bench::ParseOptions(argc, argv);
  const auto workload = regent::bench::MakeWorkload(options.workload);
  if (workload == nullptr) regent::bench::Usage(options.workload.name.c_str());
  regent::bench::Loader loader(options, *workload);
  loader.Run();
  loader.Print();
  return loader.failed() ? 1 : 0;
}
