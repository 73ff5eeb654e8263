// The n-th call to the disk fails, for every n: nothing is acknowledged that is not durable, nothing goes on after a
// failed sync, and a full disk is waited for.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <random>
#include <string>

#include "storage/reserve_file.h"
#include "tests/storage/log_workload.h"
#include "tests/support/memory_disk.h"

namespace regent::testing {
namespace {

constexpr uint64_t kOperations = 80;

// The disk after a crash that loses what it can must hold what was acknowledged, or the operation in flight.
std::string CrashAndCompare(const MemoryDisk& disk, const LogDriver& driver, const storage::LogOptions& options,
                            uint64_t seed) {
  std::mt19937_64 random(seed);
  for (int variant = 0; variant < 4; ++variant) {
    const std::unique_ptr<MemoryDisk> after = disk.AfterCrash([&](const UnsyncedPiece&) {
      return variant == 0 ? false : variant == 1 ? true : random() % 2 == 0;
    });
    OpenedLog opened = OpenLog(*after, options);
    if (!opened.status.ok()) return opened.status.ToString();
    const std::string difference = DifferenceTo(driver.acknowledged(), opened.recovered, *opened.log);
    if (difference.empty()) continue;
    if (!DifferenceTo(driver.in_flight(), opened.recovered, *opened.log).empty()) return difference;
  }
  return "";
}

struct ErrorCounts {
  uint64_t runs = 0;
  uint64_t fenced = 0;
  uint64_t waited = 0;
  uint64_t failed_opens = 0;
};

// One workload in which call number `call` fails.
void RunWithFault(uint64_t call, DiskFault fault, ErrorCounts* counts, bool* injected) {
  SCOPED_TRACE("call " + std::to_string(call) + ", fault " + std::to_string(static_cast<int>(fault)));
  MemoryDisk disk;
  ASSERT_TRUE(disk.CreateFolder(kTestFolder).ok());
  disk.FailCalls(disk.calls() + call, 1, fault);
  const storage::LogOptions options = SmallLogOptions();
  LogDriver driver(5, {});
  ++counts->runs;
  OpenedLog opened = OpenLog(disk, options);
  if (!opened.status.ok()) {
    *injected = true;
    ++counts->failed_opens;
    ASSERT_EQ(CrashAndCompare(disk, driver, options, call), "");
    return;
  }
  for (uint64_t i = 0; i < kOperations; ++i) {
    const uint64_t faults_before = disk.faults_injected();
    const absl::Status done = driver.Step(*opened.log);
    if (done.ok()) continue;
    ASSERT_EQ(disk.faults_injected(), faults_before + 1) << done;
    ASSERT_EQ(CrashAndCompare(disk, driver, options, call), "") << done;
    if (absl::IsResourceExhausted(done)) {
      ++counts->waited;
      const absl::Status again = driver.Repeat(*opened.log);
      ASSERT_TRUE(again.ok()) << again;
      continue;
    }
    ++counts->fenced;
    const uint64_t calls = disk.calls();
    const raft::Entry entry{.index = {driver.acknowledged().last_index() + 1}, .term = {1}};
    EXPECT_EQ(opened.log->Append({&entry, 1}), done);
    EXPECT_EQ(opened.log->SaveHardState({}), done);
    EXPECT_EQ(opened.log->Release({1}), done);
    EXPECT_EQ(opened.log->Reset({1000}, {1}), done);
    EXPECT_EQ(opened.log->WriteMark(), done);
    EXPECT_EQ(opened.log->Prepare().status(), done);
    EXPECT_EQ(opened.log->Read({1}, 100).status(), done);
    EXPECT_EQ(disk.calls(), calls) << "a fenced log touches the disk";
    break;
  }
  *injected = disk.faults_injected() > 0;
  ASSERT_EQ(CrashAndCompare(disk, driver, options, call), "");
}

TEST(LogError, TheFailureOfAnyCallLosesNothingThatWasAcknowledged) {
  ErrorCounts counts;
  for (const DiskFault fault : {DiskFault::kIoError, DiskFault::kNoSpace, DiskFault::kShortWrite}) {
    bool injected = true;
    for (uint64_t call = 1; injected && !HasFatalFailure(); ++call) RunWithFault(call, fault, &counts, &injected);
  }
  std::printf("%llu runs: %llu fenced, %llu waited for space, %llu could not open\n",
              static_cast<unsigned long long>(counts.runs), static_cast<unsigned long long>(counts.fenced),
              static_cast<unsigned long long>(counts.waited), static_cast<unsigned long long>(counts.failed_opens));
  EXPECT_GE(counts.fenced, 100u);
  EXPECT_GE(counts.waited, 50u);
  EXPECT_GE(counts.failed_opens, 5u);
}

// A full disk cuts the write of one copy of term and vote, and the save is repeated: at every moment the other copy is
// whole.
TEST(LogError, ASaveThatIsRepeatedAfterAFullDiskNeverRisksBothCopies) {
  for (uint64_t call = 1; call <= 3; call += 2) {
    MemoryDisk disk;
    ASSERT_TRUE(disk.CreateFolder(kTestFolder).ok());
    OpenedLog opened = OpenLog(disk, SmallLogOptions());
    const raft::HardState before{.term = {7}, .vote = {1}};
    const raft::HardState after{.term = {8}, .vote = {2}};
    ASSERT_TRUE(opened.log->SaveHardState(before).ok());
    disk.FailCalls(disk.calls() + call, 1, DiskFault::kShortWrite);
    ASSERT_TRUE(absl::IsResourceExhausted(opened.log->SaveHardState(after)));
    uint64_t crashes = 0;
    disk.set_observer([&](uint64_t) {
      for (const bool keep : {false, true}) {
        const std::unique_ptr<MemoryDisk> crashed = disk.AfterCrash([&](const UnsyncedPiece&) { return keep; });
        // What a crash leaves of a sector while it is written may be neither the old nor the new content.
        const std::vector<UnsyncedPiece> unsynced = disk.Unsynced();
        if (!unsynced.empty()) crashed->Damage(unsynced.back().path, 20, "?");
        const OpenedLog found = OpenLog(*crashed, SmallLogOptions());
        ASSERT_TRUE(found.status.ok()) << found.status;
        ASSERT_TRUE(found.recovered.hard_state == before || found.recovered.hard_state == after);
        ++crashes;
      }
    });
    ASSERT_TRUE(opened.log->SaveHardState(after).ok());
    disk.set_observer(nullptr);
    EXPECT_GE(crashes, 8u);
    opened.log.reset();
    const std::unique_ptr<MemoryDisk> crashed = disk.AfterCrash([](const UnsyncedPiece&) { return false; });
    EXPECT_EQ(OpenLog(*crashed, SmallLogOptions()).recovered.hard_state, after);
  }
}

TEST(LogError, AFailedSyncFencesTheLogAlthoughTheNextSyncWouldSucceed) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.CreateFolder(kTestFolder).ok());
  OpenedLog opened = OpenLog(disk, SmallLogOptions());
  raft::Entry entry{.index = {1}, .term = {1}, .data = std::string("a")};
  ASSERT_TRUE(opened.log->Append({&entry, 1}).ok());
  disk.FailCalls(disk.calls() + 2, 1, DiskFault::kIoError);  // the write succeeds, its sync does not
  entry.index = {2};
  const absl::Status failed = opened.log->Append({&entry, 1});
  EXPECT_TRUE(absl::IsInternal(failed)) << failed;
  EXPECT_EQ(opened.log->Append({&entry, 1}), failed);
  EXPECT_EQ(opened.log->last_index().value, 1u);
}

TEST(LogError, AFullDiskKeepsTheLogReadableAndItGoesOnWhenThereIsSpace) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.CreateFolder(kTestFolder).ok());
  disk.set_capacity(60 << 10);
  OpenedLog opened = OpenLog(disk, SmallLogOptions());
  ASSERT_TRUE(opened.status.ok());
  raft::Entry entry{.index = {1}, .term = {1}, .data = std::string(900, 'a')};
  absl::Status status;
  while (status.ok()) {
    status = opened.log->Append({&entry, 1});
    if (status.ok()) ++entry.index.value;
  }
  ASSERT_TRUE(absl::IsResourceExhausted(status)) << status;
  const uint64_t last = entry.index.value - 1;
  ASSERT_GE(last, 30u);
  EXPECT_EQ(opened.log->Read({last}, 1000)->size(), 1u);
  EXPECT_TRUE(opened.log->SaveHardState({.term = {9}, .vote = {1}}).ok());

  // A restart on the disk that is still full.
  opened.log.reset();
  const std::unique_ptr<MemoryDisk> after = disk.AfterCrash([](const UnsyncedPiece&) { return true; });
  opened = OpenLog(*after, SmallLogOptions());
  ASSERT_TRUE(opened.status.ok()) << opened.status;
  EXPECT_EQ(opened.recovered.last_index.value, last);
  EXPECT_EQ(opened.recovered.hard_state.term.value, 9u);
  EXPECT_TRUE(absl::IsResourceExhausted(opened.log->Append({&entry, 1})));
  EXPECT_FALSE(*opened.log->Prepare());

  after->set_capacity(200 << 10);
  EXPECT_TRUE(opened.log->Append({&entry, 1}).ok());
  EXPECT_EQ(opened.log->Read({entry.index.value}, 1000)->front(), entry);
}

TEST(LogError, TheReserveIsGivenUpForAnAppendOnAFullDisk) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.CreateFolder(kTestFolder).ok());
  disk.set_capacity(80 << 10);
  storage::ReserveFile reserve(disk, "/reserve", {.bytes = 30 << 10, .for_start_bytes = 4 << 10});
  ASSERT_TRUE(reserve.Hold().ok());
  storage::LogOptions options = SmallLogOptions();
  options.make_room = [&reserve] { return reserve.GiveUp(); };
  OpenedLog opened = OpenLog(disk, options);
  ASSERT_TRUE(opened.status.ok());
  raft::Entry entry{.index = {1}, .term = {1}, .data = std::string(900, 'a')};
  while (reserve.held()) {
    ASSERT_TRUE(opened.log->Append({&entry, 1}).ok());
    ++entry.index.value;
  }
  EXPECT_GT(disk.bytes_used(), 40u << 10);
  EXPECT_EQ(disk.Content("/reserve").size(), 4u << 10) << "the part for a start is kept";
  ASSERT_TRUE(opened.log->Append({&entry, 1}).ok());
  EXPECT_FALSE(reserve.GiveUp());
  EXPECT_TRUE(absl::IsResourceExhausted(reserve.Hold())) << "there is too little space for it now";
  EXPECT_EQ(disk.Content("/reserve").size(), 4u << 10);
  ASSERT_TRUE(reserve.GiveUpForStart().ok());
  EXPECT_EQ(disk.Content("/reserve").size(), 0u);

  disk.set_capacity(disk.bytes_used() + (20 << 10));
  EXPECT_TRUE(absl::IsResourceExhausted(reserve.Hold()));
  EXPECT_EQ(disk.Content("/reserve").size(), 4u << 10) << "there is room for the part for a start";
  disk.set_capacity(disk.bytes_used() + (40 << 10));
  EXPECT_TRUE(reserve.Hold().ok());
}

TEST(LogError, AReadErrorIsReportedWithoutAGuess) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.CreateFolder(kTestFolder).ok());
  LogDriver driver(9, {});
  {
    OpenedLog opened = OpenLog(disk, SmallLogOptions());
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(driver.Step(*opened.log).ok());
  }
  disk.set_count_reads(true);
  uint64_t failures = 0;
  for (uint64_t call = 1;; ++call) {
    const std::unique_ptr<MemoryDisk> copy = disk.AfterCrash([](const UnsyncedPiece&) { return true; });
    copy->set_count_reads(true);
    copy->FailCalls(call, 1, DiskFault::kIoError);
    const OpenedLog opened = OpenLog(*copy, SmallLogOptions());
    if (copy->faults_injected() == 0) break;
    EXPECT_TRUE(absl::IsInternal(opened.status)) << opened.status;
    ++failures;
    const std::unique_ptr<MemoryDisk> after = copy->AfterCrash([](const UnsyncedPiece&) { return false; });
    OpenedLog again = OpenLog(*after, SmallLogOptions());
    ASSERT_TRUE(again.status.ok()) << again.status;
    ASSERT_EQ(DifferenceTo(driver.acknowledged(), again.recovered, *again.log), "");
  }
  EXPECT_GE(failures, 8u);
}

}  // namespace
}  // namespace regent::testing
