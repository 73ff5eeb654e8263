// Every crash of a workload: after each call to the disk, what was not synced is lost in many ways, and the log is
// opened again. What was acknowledged must be there; the operation in flight may be there as a whole; nothing else may.
// Then it crashes again, in the middle of the recovery and right after it.
//
// The mutants at the end must be caught by the same enumeration.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "tests/storage/log_workload.h"
#include "tests/support/memory_disk.h"

namespace regent::testing {
namespace {

struct CrashReport {
  std::unordered_set<uint64_t> states;  // distinct ones that were recovered from
  uint64_t recoveries = 0;
  uint64_t second_crashes = 0;
  uint64_t kills = 0;      // followed by a loss of power
  uint64_t torn = 0;       // recoveries that discarded a torn tail
  uint64_t in_flight = 0;  // recoveries that found the operation in flight complete
  std::vector<std::string> violations;
};

class CrashEnumeration {
 public:
  CrashEnumeration(uint64_t seed, storage::LogMutant mutant, CrashReport& report)
      : random_(seed), options_(SmallLogOptions(mutant)), driver_(seed, {}), report_(report) {
    options_.seed = seed;
  }

  void Run(uint64_t operations) {
    ASSERT_TRUE(disk_.CreateFolder(kTestFolder).ok());
    disk_.set_observer([this](uint64_t) { CrashInManyWays(); });
    OpenedLog opened = OpenLog(disk_, options_);
    ASSERT_TRUE(opened.status.ok()) << opened.status;
    for (uint64_t i = 0; i < operations && report_.violations.empty(); ++i) {
      const absl::Status done = driver_.Step(*opened.log);
      ASSERT_TRUE(done.ok()) << done;
    }
  }

 private:
  void CrashInManyWays() {
    if (!report_.violations.empty()) return;
    std::set<uint64_t> calls;
    for (const UnsyncedPiece& piece : disk_.Unsynced()) calls.insert(piece.call);
    Crash([](const UnsyncedPiece&) { return true; });
    if (calls.empty()) return;
    Crash([](const UnsyncedPiece&) { return false; });
    KillThenCrash();
    for (const uint64_t call : calls) {
      Crash([call](const UnsyncedPiece& piece) { return piece.call != call; });
      Crash([call](const UnsyncedPiece& piece) { return piece.call == call; });
      Crash([call](const UnsyncedPiece& piece) { return piece.call <= call; });
    }
    for (const int percent : {10, 50, 50, 90}) {
      Crash([&](const UnsyncedPiece&) { return Chance(percent); });
    }
    // All but the first sector of a write, which holds its header.
    std::set<uint64_t> seen;
    Crash([&](const UnsyncedPiece& piece) { return !seen.insert(piece.call).second; });
  }

  // The process alone dies, and what it had written is read back from the system's memory; then the power fails.
  void KillThenCrash() {
    const std::unique_ptr<MemoryDisk> disk = disk_.AfterKill();
    OpenedLog opened = OpenLog(*disk, options_);
    if (!opened.status.ok()) return Violation("open after a kill: " + opened.status.ToString());
    const bool acknowledged = DifferenceTo(driver_.acknowledged(), opened.recovered, *opened.log).empty();
    const LogModel& found = acknowledged ? driver_.acknowledged() : driver_.in_flight();
    const std::string words = DifferenceTo(found, opened.recovered, *opened.log);
    if (!words.empty()) return Violation("after a kill: " + words);
    ++report_.kills;
    const std::unique_ptr<MemoryDisk> after = disk->AfterCrash([](const UnsyncedPiece&) { return false; });
    OpenedLog again = OpenLog(*after, options_);
    if (!again.status.ok()) return Violation("open after kill and crash: " + again.status.ToString());
    const std::string difference = DifferenceTo(found, again.recovered, *again.log);
    if (!difference.empty()) Violation("after kill and crash: " + difference);
  }

  void Crash(const std::function<bool(const UnsyncedPiece&)>& survives) {
    const std::unique_ptr<MemoryDisk> after = disk_.AfterCrash(survives);
    if (!report_.states.insert(after->Hash()).second) return;
    // A crash in the middle of the recovery, on a copy.
    if (Chance(20)) CrashDuringRecovery(*after);
    Recover(*after, true);
  }

  // Opens the log; what it holds must be the acknowledged state or the one in flight.
  void Recover(MemoryDisk& disk, bool go_on) {
    ++report_.recoveries;
    OpenedLog opened = OpenLog(disk, options_);
    if (!opened.status.ok()) return Violation("open: " + opened.status.ToString());
    report_.torn += opened.recovered.torn_bytes > 0 ? 1 : 0;
    const std::string to_acknowledged = DifferenceTo(driver_.acknowledged(), opened.recovered, *opened.log);
    const LogModel* found = &driver_.acknowledged();
    if (!to_acknowledged.empty()) {
      const std::string to_in_flight = DifferenceTo(driver_.in_flight(), opened.recovered, *opened.log);
      if (!to_in_flight.empty()) return Violation("acknowledged: " + to_acknowledged + " | in flight: " + to_in_flight);
      ++report_.in_flight;
      found = &driver_.in_flight();
    }
    if (go_on) CrashAfterRecovery(disk, std::move(opened), *found);
  }

  void CrashDuringRecovery(MemoryDisk& first) {
    const std::unique_ptr<MemoryDisk> disk = first.AfterCrash([](const UnsyncedPiece&) { return true; });
    disk->set_observer([&](uint64_t) {
      const std::unique_ptr<MemoryDisk> second = disk->AfterCrash([&](const UnsyncedPiece&) { return Chance(50); });
      if (!report_.states.insert(second->Hash()).second) return;
      ++report_.second_crashes;
      Recover(*second, false);
    });
    OpenLog(*disk, options_);
  }

  // What Open returned is durable, and what is appended then is found behind it.
  void CrashAfterRecovery(MemoryDisk& disk, OpenedLog opened, const LogModel& found) {
    LogModel expected = found;
    if (Chance(50)) {
      const raft::Entry entry{.index = {expected.last_index() + 1}, .term = {21}, .data = std::string(Draw(3000), 'n')};
      expected.entries.push_back(entry);
      if (const absl::Status appended = opened.log->Append({&entry, 1}); !appended.ok()) {
        return Violation("append after recovery: " + appended.ToString());
      }
    }
    const std::unique_ptr<MemoryDisk> second = disk.AfterCrash([](const UnsyncedPiece&) { return false; });
    OpenedLog again = OpenLog(*second, options_);
    if (!again.status.ok()) return Violation("open after recovery: " + again.status.ToString());
    const std::string difference = DifferenceTo(expected, again.recovered, *again.log);
    if (!difference.empty()) Violation("after recovery: " + difference);
  }

  void Violation(std::string words) {
    report_.violations.push_back("after call " + std::to_string(disk_.calls()) + ": " + std::move(words));
  }
  uint64_t Draw(uint64_t below) { return std::uniform_int_distribution<uint64_t>(0, below - 1)(random_); }
  bool Chance(uint64_t percent) { return Draw(100) < percent; }

  std::mt19937_64 random_;
  storage::LogOptions options_;
  MemoryDisk disk_;
  LogDriver driver_;
  CrashReport& report_;
};

TEST(LogCrash, EveryAcknowledgedEntryAndVoteSurvivesEveryCrash) {
  CrashReport report;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    CrashEnumeration(seed, storage::LogMutant::kNone, report).Run(120);
    ASSERT_TRUE(report.violations.empty()) << report.violations.front();
  }
  std::printf(
      "%zu distinct crash states, %llu recoveries, %llu crashes during recovery, %llu torn tails, %llu found the "
      "operation in flight\n",
      report.states.size(), static_cast<unsigned long long>(report.recoveries),
      static_cast<unsigned long long>(report.second_crashes), static_cast<unsigned long long>(report.torn),
      static_cast<unsigned long long>(report.in_flight));
  EXPECT_GE(report.states.size(), 5000u);
  EXPECT_GE(report.second_crashes, 100u);
  EXPECT_GE(report.kills, 1000u);
  EXPECT_GE(report.torn, 100u);
  EXPECT_GE(report.in_flight, 100u);
}

TEST(LogCrash, TheEnumerationFindsPlantedBugs) {
  for (const storage::LogMutant mutant :
       {storage::LogMutant::kAppendWithoutSync, storage::LogMutant::kRollWithoutFolderSync,
        storage::LogMutant::kOpenWithoutSync}) {
    CrashReport report;
    for (uint64_t seed = 1; seed <= 5 && report.violations.empty(); ++seed) {
      CrashEnumeration(seed, mutant, report).Run(120);
    }
    EXPECT_FALSE(report.violations.empty()) << "mutant " << static_cast<int>(mutant) << " was not found";
  }
}

}  // namespace
}  // namespace regent::testing
