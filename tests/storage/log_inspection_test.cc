// Looking into logs that random work has left behind, whole and damaged.
#include "storage/log_inspection.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/storage/log_workload.h"
#include "tests/support/memory_disk.h"

namespace regent::testing {
namespace {

using storage::LogInspection;

std::unique_ptr<LogInspection> Inspect(MemoryDisk& disk, std::optional<storage::LogIdentity> identity = kTestIdentity) {
  const uint64_t before = disk.Hash();
  auto log = LogInspection::Open(disk, kTestFolder, identity);
  EXPECT_TRUE(log.ok()) << log.status();
  EXPECT_EQ(disk.Hash(), before) << "looking has changed the disk";
  return log.ok() ? *std::move(log) : nullptr;
}

std::vector<raft::Entry> EntriesOf(const LogInspection& log) {
  std::vector<raft::Entry> entries;
  const absl::Status read = log.ForEach([&](const raft::Entry& entry) {
    entries.push_back(entry);
    return absl::OkStatus();
  });
  EXPECT_TRUE(read.ok()) << read;
  return entries;
}

// Empty when the inspection shows what the log must hold.
std::string DifferenceTo(const LogModel& model, const LogInspection& log) {
  const storage::InspectedLog& found = log.findings();
  const uint64_t base = found.base_index.value;
  if (!found.damage.empty()) return found.damage.front();
  if (found.hard_state != model.hard_state) return "term and vote";
  if (base < model.base_index || base > std::max(model.base_index, model.released_through)) return "the base";
  if (found.last_index.value != model.last_index()) return "the last index";
  const std::vector<raft::Entry> entries = EntriesOf(log);
  if (entries.size() != model.last_index() - base) return "the number of entries";
  for (size_t i = 0; i < entries.size(); ++i) {
    const raft::Entry& wanted = model.entries[base - model.base_index + i];
    if (entries[i].index != wanted.index || entries[i].term != wanted.term || entries[i].type != wanted.type ||
        std::string_view(entries[i].data) != std::string_view(wanted.data)) {
      return "entry " + std::to_string(wanted.index.value);
    }
  }
  uint64_t in_segments = 0;
  for (const storage::InspectedSegment& segment : found.segments) in_segments += segment.entries;
  return in_segments == entries.size() ? "" : "the entries of the segments";
}

// A log after `steps` of random work.
struct Worked {
  MemoryDisk disk;
  LogModel model;

  Worked(uint64_t seed, int steps) {
    EXPECT_TRUE(disk.CreateFolder(kTestFolder).ok());
    OpenedLog opened = OpenLog(disk, SmallLogOptions());
    LogDriver driver(seed, {});
    for (int step = 0; step < steps; ++step) EXPECT_TRUE(driver.Step(*opened.log).ok());
    model = driver.acknowledged();
  }
};

TEST(LogInspection, ShowsTheEntriesInEffectAfterConflictsReleasesAndResets) {
  int several_segments = 0, with_base = 0;
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Worked worked(seed, 150);
    const auto log = Inspect(worked.disk);
    ASSERT_NE(log, nullptr);
    EXPECT_EQ(DifferenceTo(worked.model, *log), "") << "seed " << seed;
    several_segments += log->findings().segments.size() > 1;
    with_base += log->findings().base_index.value > 0;
  }
  EXPECT_GT(several_segments, 0);
  EXPECT_GT(with_base, 0);
}

TEST(LogInspection, TheComparisonFindsAPlantedDifference) {
  Worked worked(3, 150);
  const auto log = Inspect(worked.disk);
  ASSERT_FALSE(worked.model.entries.empty());
  worked.model.entries.back().term.value += 1;
  EXPECT_NE(DifferenceTo(worked.model, *log), "");
}

TEST(LogInspection, TheLogItselfTellsWhoseItIs) {
  Worked worked(4, 60);
  const auto log = Inspect(worked.disk, std::nullopt);
  EXPECT_EQ(log->findings().identity, kTestIdentity);
  EXPECT_EQ(DifferenceTo(worked.model, *log), "");
  const auto foreign = Inspect(worked.disk, storage::LogIdentity{.cluster_id = 1, .node_id = 2});
  ASSERT_FALSE(foreign->findings().damage.empty());
  EXPECT_NE(foreign->findings().damage.front().find("belongs to another"), std::string::npos);
}

// Every sector of the log is damaged in turn: what is shown is a beginning of the log, and unless it is all of it
// the damage is named, or it is a torn tail.
TEST(LogInspection, ShowsWhatStandsBeforeTheDamage) {
  Worked worked(5, 120);
  const std::vector<raft::Entry> whole = EntriesOf(*Inspect(worked.disk));
  int named = 0, torn = 0;
  for (const std::string& path : SegmentPaths(worked.disk)) {
    const std::string content = worked.disk.Content(path);
    for (uint64_t offset = 0; offset < content.size(); offset += 512) {
      if (content.substr(offset, 512).find_first_not_of('\0') == std::string::npos) continue;
      worked.disk.Damage(path, offset, std::string(512, '\x5a'));
      const auto log = Inspect(worked.disk);
      const storage::InspectedLog& found = log->findings();
      if (found.damage.empty() && found.torn_tail) {
        ++torn;
        EXPECT_EQ(found.torn_tail->path, path);
      } else if (!found.damage.empty()) {
        ++named;
        EXPECT_NE(found.damage.front().find(" at offset "), std::string::npos) << found.damage.front();
      }
      const std::vector<raft::Entry> shown = EntriesOf(*log);
      // In a recycled file nothing tells a wiped last batch from the content of the file's former life.
      if (found.damage.empty() && !found.torn_tail) {
        const bool ends_there = path == found.segments.back().path && offset == found.segments.back().end;
        EXPECT_TRUE(ends_there || shown.size() == whole.size()) << path << " at " << offset;
      }
      worked.disk.Damage(path, offset, content.substr(offset, 512));
    }
  }
  EXPECT_GT(named, 0);
  EXPECT_GT(torn, 0);
  EXPECT_EQ(EntriesOf(*Inspect(worked.disk)).size(), whole.size());
}

}  // namespace
}  // namespace regent::testing
