// What the store costs without the network and the log: one thread, RocksDB in a fresh folder, unique values.
//
//   store_bench [folder]
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "glog/logging.h"
#include "storage/command.h"
#include "storage/rocks_engine.h"
#include "storage/state_machine.h"

namespace regent::storage {
namespace {

double CpuSeconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// Prints per operation of what ran since it was made: wall time, CPU time of the process (flushes and compactions too)
// and CPU time of the calling thread.
class Measure {
 public:
  explicit Measure(std::string what) : what_(std::move(what)) {}
  void Done(int64_t operations) const {
    const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const double cpu = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) - process_start_;
    const double own = CpuSeconds(CLOCK_THREAD_CPUTIME_ID) - thread_start_;
    const double scale = 1e6 / static_cast<double>(operations);
    std::printf("%-60s %9.2f us wall %9.2f us cpu %9.2f us own\n", what_.c_str(), wall * scale, cpu * scale,
                own * scale);
    std::fflush(stdout);
  }

 private:
  const std::string what_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  const double process_start_ = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
  const double thread_start_ = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
};

std::string Key(uint64_t number) {
  char key[64];
  std::snprintf(key, sizeof(key), "/registry/pods/namespace-%03u/pod-%08u", static_cast<unsigned>(number % 100),
                static_cast<unsigned>(number));
  return key;
}

class Bench {
 public:
  explicit Bench(const std::string& folder) : folder_(folder) { Open(); }

  void Open() {
    machine_.reset();
    engine_.reset();
    auto engine = OpenRocksEngine(folder_, 1, {});
    CHECK(engine.ok()) << engine.status();
    engine_ = *engine;
    auto machine = StateMachine::Open(engine_, {});
    CHECK(machine.ok()) << machine.status();
    machine_ = *std::move(machine);
  }

  std::string Value(size_t bytes) {
    std::string value(bytes, '\0');
    for (char& byte : value) byte = static_cast<char>('a' + random_() % 26);
    return value;
  }

  void Add(api::WriteRequest request) {
    const uint64_t index = machine_->applied().value + turn_.size() + 1;
    turn_.push_back(raft::Entry{
        .index = {index}, .term = {1}, .data = EncodeCommand({.request = {1, index}, .body = std::move(request)})});
  }
  ApplyOutcome Flush() {
    ApplyOutcome outcome = machine_->Apply(turn_, nullptr);
    turn_.clear();
    return outcome;
  }

  void Puts(const std::string& what, uint64_t keys, int64_t puts, size_t batch, size_t value_bytes, bool in_order) {
    std::vector<std::string> values;
    for (int i = 0; i < 1000; ++i) values.push_back(Value(value_bytes));
    const Measure measure(what);
    for (int64_t i = 0; i < puts; ++i) {
      const uint64_t number = in_order ? static_cast<uint64_t>(i) : random_() % keys;
      std::string value = values[random_() % values.size()];
      value.replace(0, 8, std::to_string(10'000'000 + i).substr(0, 8));
      Add(api::PutRequest{.key = Key(number), .value = std::move(value)});
      if (turn_.size() == batch) Flush();
    }
    if (!turn_.empty()) Flush();
    measure.Done(puts);
  }

  void Updates(uint64_t keys, int64_t updates, size_t batch) {
    const std::string value = Value(256);
    const Measure measure("txn compare-mod-revision update, batches of " + std::to_string(batch));
    for (int64_t i = 0; i < updates; ++i) {
      const std::string key = Key(random_() % keys);
      Add(api::TxnRequest{
          .compare = {{.result = api::Compare::Result::kGreater, .target = api::Compare::Target::kMod, .key = key}},
          .success = {api::PutRequest{.key = key, .value = value}},
          .failure = {api::RangeRequest{.key = key}}});
      if (turn_.size() == batch) Flush();
    }
    if (!turn_.empty()) Flush();
    measure.Done(updates);
  }

  void Gets(const std::string& what, uint64_t first, uint64_t keys, int64_t gets) {
    const std::shared_ptr<const View> view = machine_->view();
    const Measure measure(what);
    for (int64_t i = 0; i < gets; ++i) CHECK(view->Range({.key = Key(first + random_() % keys)}).ok());
    measure.Done(gets);
  }

  void Counts(const std::string& what, int64_t revision_back, int64_t counts) {
    const std::shared_ptr<const View> view = machine_->view();
    const int64_t revision = revision_back == 0 ? 0 : view->revision().value - revision_back;
    const Measure measure(what);
    for (int64_t i = 0; i < counts; ++i) {
      const std::string from = "/registry/pods/namespace-" + std::to_string(100 + random_() % 50).substr(1) + "/";
      const auto result =
          view->Range({.key = from, .range_end = "/registry/pods0", .revision = {revision}, .count_only = true});
      CHECK(result.ok()) << result.status();
    }
    measure.Done(counts);
  }

  void Pages(int64_t limit) {
    const std::shared_ptr<const View> view = machine_->view();
    const Measure measure("page of " + std::to_string(limit) + " keys, through everything");
    std::string key = "/registry/";
    int64_t pages = 0;
    for (bool more = true; more; ++pages) {
      const auto result =
          view->Range({.key = key, .range_end = "/registry0", .limit = limit, .revision = view->revision()});
      CHECK(result.ok()) << result.status();
      more = result->more;
      // The last key of the page: what stands in front of the rest is found by a second, tiny read.
      const auto keys = view->Range(
          {.key = key, .range_end = "/registry0", .limit = limit, .revision = view->revision(), .keys_only = true});
      key = LastKey(*keys) + '\0';
    }
    measure.Done(pages);
    std::printf("  (each with a second page of keys only; %lld pages)\n", static_cast<long long>(pages));
  }

  void Purge() {
    Add(api::CompactionRequest{.revision = machine_->view()->revision()});
    {
      const Measure measure("compaction, logical");
      Flush();
      measure.Done(1);
    }
    const Measure measure("purge, per row removed");
    int64_t rows = 0;
    while (const auto plan = machine_->PlanPurge(*machine_->view(), 1000)) {
      rows += static_cast<int64_t>(plan->rows.size());
      machine_->RunPurge(*plan);
    }
    measure.Done(rows);
  }

  void Restart() {
    const Measure measure("flush, close, open");
    CHECK(machine_->Flush().ok());
    Open();
    measure.Done(1);
  }

 private:
  static std::string LastKey(const api::RangeResult& result) {
    const std::string& chunk = result.kvs.chunks().back();
    const size_t start = chunk.rfind("/registry/");
    return chunk.substr(start, Key(0).size());
  }

  const std::string folder_;
  std::shared_ptr<Engine> engine_;
  std::unique_ptr<StateMachine> machine_;
  std::vector<raft::Entry> turn_;
  std::mt19937_64 random_{1};
};

void Run(const std::string& folder) {
  std::filesystem::remove_all(folder);
  Bench bench(folder);
  bench.Puts("put 256 B, 100k keys created, batches of 50", 100'000, 100'000, 50, 256, true);
  bench.Puts("put 256 B over 100k keys, batches of 50", 100'000, 1'000'000, 50, 256, false);
  bench.Puts("put 256 B over 100k keys, batches of 1", 100'000, 200'000, 1, 256, false);
  bench.Puts("put 4 KiB over 100k keys, batches of 50", 100'000, 50'000, 50, 4096, false);
  bench.Updates(100'000, 200'000, 50);
  bench.Gets("point range through a view, 100k keys", 0, 100'000, 200'000);
  bench.Gets("point range of 100 hot keys", 0, 100, 200'000);
  bench.Gets("point range of a missing key", 200'000, 100'000, 200'000);
  bench.Purge();
  bench.Gets("point range through a view, 100k keys, after the purge", 0, 100'000, 200'000);
  bench.Puts("put 256 B, 1M keys created in order, batches of 50", 1'000'000, 1'000'000, 50, 256, true);
  bench.Gets("point range through a view, 1M keys", 0, 1'000'000, 200'000);
  bench.Counts("count only over about 1M keys", 0, 2000);
  bench.Puts("(10k more puts)", 1'000'000, 10'000, 50, 256, false);
  bench.Counts("count only over about 1M keys, 5,000 revisions back", 5'000, 200);
  bench.Pages(500);
  bench.Restart();
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace regent::storage

int main(int argc, char** argv) {
  google::InitGoogleLogging(argv[0]);
  regent::storage::Run(argc > 1 ? argv[1] : "/tmp/regent_store_bench");
  return 0;
}
