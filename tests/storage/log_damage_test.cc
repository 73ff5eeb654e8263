// Damage to a log that was stopped cleanly: every byte flipped, every sector zeroed, batches lost, blocks misplaced.
// Acknowledged data is there, or Open says DataLoss and where. The same matrix must find the mutants.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "storage/log_format.h"
#include "tests/storage/damaged_log.h"
#include "tests/storage/log_workload.h"
#include "tests/support/memory_disk.h"

namespace regent::testing {
namespace {

struct MatrixCounts {
  uint64_t places = 0;
  uint64_t reported = 0;
  uint64_t harmless = 0;
  std::vector<std::string> silent;
};

std::string Where(const std::string& path, uint64_t offset) { return path + " at " + std::to_string(offset) + ": "; }

// Flips one bit of every `step`th byte.
MatrixCounts FlipBytes(DamagedLog& log, uint64_t step) {
  MatrixCounts counts;
  for (const std::string& path : log.paths()) {
    const std::string content = log.Content(path);
    for (uint64_t offset = 0; offset < content.size(); offset += step) {
      const char flipped = static_cast<char>(content[offset] ^ (1 << (offset % 8)));
      const DamagedLog::Outcome outcome = log.OpenWith(path, offset, {&flipped, 1});
      ++counts.places;
      if (!outcome.silent.empty()) counts.silent.push_back(Where(path, offset) + outcome.silent);
      const BatchPlace* batch = log.BatchAt(path, offset);
      if (outcome.data_loss) {
        ++counts.reported;
        const uint64_t reported_at = batch != nullptr ? batch->offset : 0;
        const std::string place = path + " at offset " + std::to_string(reported_at) + ", index ";
        if (outcome.message.find(place) == std::string::npos) {
          counts.silent.push_back(Where(path, offset) + "not named: " + outcome.message);
        }
      } else if (outcome.last_missing) {
        ++counts.harmless;
        if (batch == nullptr || !batch->last_with_entries)
          counts.silent.push_back(Where(path, offset) + "last missing");
      } else {
        ++counts.harmless;
      }
    }
  }
  return counts;
}

MatrixCounts ZeroBlocks(DamagedLog& log, uint64_t bytes) {
  MatrixCounts counts;
  const std::string zeroes(bytes, '\0');
  for (const std::string& path : log.paths()) {
    const uint64_t size = log.Content(path).size();
    for (uint64_t offset = 0; offset + zeroes.size() <= size; offset += zeroes.size()) {
      const DamagedLog::Outcome outcome = log.OpenWith(path, offset, zeroes);
      ++counts.places;
      counts.reported += outcome.data_loss ? 1 : 0;
      if (!outcome.silent.empty()) counts.silent.push_back(Where(path, offset) + outcome.silent);
      // Only a sector of the last, unmarked batch may take that batch along.
      bool in_last = false;
      for (uint64_t at = offset; at < offset + zeroes.size(); at += 8) {
        const BatchPlace* batch = log.BatchAt(path, at);
        in_last |= batch != nullptr && batch->last_with_entries;
      }
      if (outcome.last_missing && !in_last) counts.silent.push_back(Where(path, offset) + "last missing");
    }
  }
  return counts;
}

TEST(LogDamage, NoFlippedByteOfAMarkedLogIsSilent) {
  DamagedLog log(DamagedLog::End::kMarked);
  ASSERT_EQ(log.paths().size(), 3u);
  const MatrixCounts counts = FlipBytes(log, 1);
  EXPECT_TRUE(counts.silent.empty()) << counts.silent.size() << ", the first: " << counts.silent.front();
  EXPECT_TRUE(log.unchanged());
  EXPECT_GE(counts.places, 256u << 10);
  EXPECT_GE(counts.reported, counts.places * 3 / 4);
  std::printf("%llu bytes flipped, %llu reported, %llu harmless\n", static_cast<unsigned long long>(counts.places),
              static_cast<unsigned long long>(counts.reported), static_cast<unsigned long long>(counts.harmless));
}

TEST(LogDamage, NoZeroedSectorOfAMarkedLogIsSilent) {
  DamagedLog log(DamagedLog::End::kMarked);
  const MatrixCounts counts = ZeroBlocks(log, kDiskSectorBytes);
  EXPECT_TRUE(counts.silent.empty()) << counts.silent.size() << ", the first: " << counts.silent.front();
  EXPECT_GE(counts.places, 500u);
  EXPECT_GE(counts.reported, counts.places * 9 / 10);
}

TEST(LogDamage, NoZeroedPageOfAMarkedLogIsSilent) {
  DamagedLog log(DamagedLog::End::kMarked);
  const MatrixCounts counts = ZeroBlocks(log, storage::kPageBytes);
  EXPECT_TRUE(counts.silent.empty()) << counts.silent.size() << ", the first: " << counts.silent.front();
  EXPECT_GE(counts.places, 64u);
}

TEST(LogDamage, WithoutAMarkOnlyTheLastBatchMayReadAsTorn) {
  DamagedLog log(DamagedLog::End::kUnmarked);
  const MatrixCounts zeroed = ZeroBlocks(log, kDiskSectorBytes);
  EXPECT_TRUE(zeroed.silent.empty()) << zeroed.silent.front();
  const MatrixCounts flipped = FlipBytes(log, 17);
  EXPECT_TRUE(flipped.silent.empty()) << flipped.silent.front();
}

TEST(LogDamage, NoLostBatchIsSilent) {
  DamagedLog log(DamagedLog::End::kMarked);
  uint64_t reported = 0;
  for (const BatchPlace& batch : log.batches()) {
    const auto outcome = log.OpenWith(batch.path, batch.offset, std::string(batch.bytes, '\0'));
    EXPECT_EQ(outcome.silent, "") << batch.path << " at " << batch.offset;
    reported += outcome.data_loss ? 1 : 0;
  }
  // All but the second half of the mark.
  EXPECT_GE(reported + 2, log.batches().size());
}

TEST(LogDamage, NoMisplacedBlockIsSilent) {
  DamagedLog log(DamagedLog::End::kMarked);
  std::mt19937_64 random(3);
  const std::vector<std::string> paths = log.paths();
  for (int i = 0; i < 3000; ++i) {
    const std::string& from = paths[random() % paths.size()];
    const std::string& to = paths[random() % paths.size()];
    const std::string source = log.Content(from);
    const uint64_t bytes = kDiskSectorBytes << (random() % 4);
    const uint64_t read_at = random() % (source.size() / bytes) * bytes;
    const uint64_t write_at = random() % (log.Content(to).size() / bytes) * bytes;
    const auto outcome = log.OpenWith(to, write_at, std::string_view(source).substr(read_at, bytes));
    ASSERT_EQ(outcome.silent, "") << bytes << " bytes of " << from << " at " << read_at << " written to " << to
                                  << " at " << write_at;
  }
}

TEST(LogDamage, TermAndVoteSurviveTheLossOfOneCopyAndTwoBadCopiesAreRefused) {
  DamagedLog log(DamagedLog::End::kMarked);
  const std::string first = std::string(kTestFolder) + "/term-and-vote-1";
  const std::string second = std::string(kTestFolder) + "/term-and-vote-2";
  for (const std::string& path : {first, second}) {
    const std::string content = log.Content(path);
    ASSERT_EQ(content.size(), 512u);
    for (uint64_t offset = 0; offset < content.size(); ++offset) {
      for (int bit = 0; bit < 8; ++bit) {
        const char flipped = static_cast<char>(content[offset] ^ (1 << bit));
        const auto outcome = log.OpenWith(path, offset, {&flipped, 1});
        ASSERT_FALSE(outcome.data_loss) << outcome.message;
        ASSERT_EQ(outcome.silent, "") << path << " at " << offset;
      }
    }
    EXPECT_EQ(log.OpenWith(path, 0, std::string(512, '\0')).silent, "");
  }
}

TEST(LogDamage, TwoDamagedCopiesOfTermAndVoteAreReportedWithWhatToDo) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.CreateFolder(kTestFolder).ok());
  ASSERT_TRUE(OpenLog(disk, SmallLogOptions()).status.ok());
  const std::string folder = kTestFolder;
  disk.Damage(folder + "/term-and-vote-1", 41, "x");
  disk.Damage(folder + "/term-and-vote-2", 0, "x");
  const OpenedLog opened = OpenLog(disk, SmallLogOptions());
  EXPECT_TRUE(absl::IsDataLoss(opened.status)) << opened.status;
  EXPECT_NE(opened.status.message().find("term-and-vote-1 at offset 0: its checksum does not match"), std::string::npos)
      << opened.status;
  EXPECT_NE(opened.status.message().find("Restore the data directory"), std::string::npos);
}

TEST(LogDamage, ADamagedRecordIsFoundByReadAsWell) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.CreateFolder(kTestFolder).ok());
  OpenedLog opened = OpenLog(disk, SmallLogOptions());
  std::vector<raft::Entry> entries;
  for (uint64_t index = 1; index <= 3; ++index) {
    entries.push_back({.index = {index}, .term = {1}, .data = std::string(100, 'a')});
  }
  ASSERT_TRUE(opened.log->Append(entries).ok());
  const std::string path = SegmentPaths(disk).front();
  disk.Damage(path, storage::kSegmentHeaderBytes + storage::kBatchHeaderBytes + storage::RecordBytes(100) + 50, "b");
  EXPECT_EQ(opened.log->Read({1}, 100)->size(), 1u);
  const auto read = opened.log->Read({2}, 1000);
  EXPECT_TRUE(absl::IsDataLoss(read.status())) << read.status();
  EXPECT_NE(read.status().message().find(", index 2:"), std::string::npos) << read.status();
}

TEST(LogDamage, TheMatrixFindsPlantedBugs) {
  for (const storage::LogMutant mutant :
       {storage::LogMutant::kIgnoreSyncedThrough, storage::LogMutant::kZeroesEndTheLog}) {
    DamagedLog log(DamagedLog::End::kMarked, mutant);
    EXPECT_FALSE(ZeroBlocks(log, kDiskSectorBytes).silent.empty())
        << "mutant " << static_cast<int>(mutant) << " was not found";
  }
  DamagedLog unchecked(DamagedLog::End::kMarked, storage::LogMutant::kRecordHeaderUnchecked);
  EXPECT_FALSE(FlipBytes(unchecked, 11).silent.empty()) << "a record header outside the checksum was not found";

  DamagedLog one_copy(DamagedLog::End::kMarked, storage::LogMutant::kOneHardStateCopy);
  const auto outcome = one_copy.OpenWith(std::string(kTestFolder) + "/term-and-vote-1", 40, "x");
  EXPECT_NE(outcome.silent, "") << "a single copy of term and vote was not found";
}

}  // namespace
}  // namespace regent::testing
