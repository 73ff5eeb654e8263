// What an append costs on the disk under the temporary folder, beside a bare write and sync of as many bytes. It prints
// and judges nothing. REGENT_BENCH_FOLDER chooses the disk, REGENT_BENCH_BATCHES and REGENT_BENCH_MIB the length.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "storage/log_format.h"
#include "storage/posix_files.h"
#include "tests/storage/log_workload.h"

namespace regent::testing {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kBatchBytes = 2304;

uint64_t NumberFrom(const char* variable, uint64_t otherwise) {
  const char* given = std::getenv(variable);
  return given != nullptr ? std::strtoull(given, nullptr, 10) : otherwise;
}

std::string NewFolder() {
  const char* given = std::getenv("REGENT_BENCH_FOLDER");
  std::string folder = (given != nullptr ? std::string(given) : ::testing::TempDir()) + "/regent-bench-XXXXXX";
  EXPECT_NE(::mkdtemp(folder.data()), nullptr);
  return folder;
}

void Print(const char* what, std::vector<Clock::duration> times) {
  std::sort(times.begin(), times.end());
  const auto micros = [&](double quantile) {
    const size_t at = std::min(times.size() - 1, static_cast<size_t>(quantile * static_cast<double>(times.size())));
    return std::chrono::duration<double, std::micro>(times[at]).count();
  };
  std::printf("%-42s p50 %7.1f  p90 %7.1f  p99 %7.1f µs\n", what, micros(0.5), micros(0.9), micros(0.99));
}

TEST(LogBenchmark, AppendsOfSmallBatchesBesideTheBareSystemCalls) {
  const size_t batches = NumberFrom("REGENT_BENCH_BATCHES", 200);
  const std::string folder = NewFolder();
  storage::PosixFiles files;

  storage::RecoveredLog recovered;
  auto log = storage::LogStore::Open(files, folder, kTestIdentity, {}, &recovered);
  ASSERT_TRUE(log.ok()) << log.status();
  while (*(*log)->Prepare()) {
  }
  auto raw = files.Open(folder + "/raw", storage::OpenMode::kCreateNew);
  auto growing = files.Open(folder + "/growing", storage::OpenMode::kCreateNew);
  ASSERT_TRUE((*raw)->WriteAt(0, std::string(batches * kBatchBytes, '\0')).ok());
  ASSERT_TRUE((*raw)->SyncData().ok());

  const size_t payload_bytes = kBatchBytes - storage::kBatchHeaderBytes - storage::kRecordHeaderBytes;
  const std::string bytes(kBatchBytes, 'x');
  std::vector<Clock::duration> logged, bare, grown;
  const auto time = [](std::vector<Clock::duration>* times, const std::function<absl::Status()>& work) {
    const Clock::time_point start = Clock::now();
    const absl::Status done = work();
    times->push_back(Clock::now() - start);
    ASSERT_TRUE(done.ok()) << done;
  };
  // In turn, so that a noisy moment hits all alike.
  for (size_t i = 0; i < batches; ++i) {
    const raft::Entry entry{.index = {i + 1}, .term = {1}, .data = std::string(payload_bytes, 'x')};
    time(&logged, [&] { return (*log)->Append({&entry, 1}); });
    const auto write_and_sync = [&](storage::File& file) {
      const absl::Status written = file.WriteAt(i * kBatchBytes, bytes);
      return written.ok() ? file.SyncData() : written;
    };
    time(&bare, [&] { return write_and_sync(**raw); });
    time(&grown, [&] { return write_and_sync(**growing); });
    if (i % 256 == 0) {
      ASSERT_TRUE((*log)->Prepare().ok());
    }
  }
  std::printf("%zu batches of %zu bytes on %s\n", batches, kBatchBytes, folder.c_str());
  Print("append to the log", logged);
  Print("write and sync behind zeroes", bare);
  Print("write and sync at the end of a growing file", grown);
  log->reset();
  std::filesystem::remove_all(folder);
}

TEST(LogBenchmark, OpeningALogOfManySmallEntries) {
  const uint64_t mebibytes = NumberFrom("REGENT_BENCH_MIB", 4);
  const std::string folder = NewFolder();
  storage::PosixFiles files;
  storage::RecoveredLog recovered;
  auto log = storage::LogStore::Open(files, folder, kTestIdentity, {}, &recovered);
  ASSERT_TRUE(log.ok()) << log.status();
  std::vector<raft::Entry> entries;
  uint64_t index = 0;
  while (index * 340 < mebibytes << 20) {
    entries.clear();
    for (int i = 0; i < 200; ++i) entries.push_back({.index = {++index}, .term = {1}, .data = std::string(300, 'x')});
    ASSERT_TRUE((*log)->Append(entries).ok());
  }
  const uint64_t bytes = (*log)->bytes_on_disk();
  log->reset();
  const Clock::time_point start = Clock::now();
  log = storage::LogStore::Open(files, folder, kTestIdentity, {}, &recovered);
  const double took = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_EQ(recovered.last_index.value, index);
  std::printf("opening a log of %llu entries and %llu bytes: %.1f ms\n", static_cast<unsigned long long>(index),
              static_cast<unsigned long long>(bytes), took);
  log->reset();
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace regent::testing
