// Random operations on the log and on a plain vector.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/storage/log_workload.h"
#include "tests/support/memory_disk.h"

namespace regent::testing {
namespace {

void RunModel(uint64_t seed, uint64_t operations, storage::LogOptions options, LogWorkload workload,
              uint64_t* segments_max = nullptr) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  MemoryDisk disk;
  ASSERT_TRUE(disk.CreateFolder(kTestFolder).ok());
  OpenedLog opened = OpenLog(disk, options);
  ASSERT_TRUE(opened.status.ok()) << opened.status;
  EXPECT_TRUE(opened.recovered.created);
  LogDriver driver(seed, workload);
  for (uint64_t i = 0; i < operations; ++i) {
    const absl::Status done = driver.Step(*opened.log);
    ASSERT_TRUE(done.ok()) << done;
    ASSERT_EQ(opened.log->last_index().value, driver.acknowledged().last_index());
    if (segments_max != nullptr) *segments_max = std::max<uint64_t>(*segments_max, SegmentPaths(disk).size());
    if (driver.Random(25) != 0) continue;
    ++options.seed;
    opened.log.reset();
    opened = OpenLog(disk, options);
    ASSERT_TRUE(opened.status.ok()) << opened.status;
    ASSERT_EQ(DifferenceTo(driver.acknowledged(), opened.recovered, *opened.log), "");
    ASSERT_EQ(opened.recovered.torn_bytes, 0u) << opened.recovered.torn_where;
    ASSERT_FALSE(opened.recovered.created);
  }
}

TEST(LogModel, TheLogHoldsWhatAVectorHoldsOverManyRestarts) {
  for (uint64_t seed = 1; seed <= 20; ++seed) RunModel(seed, 600, SmallLogOptions(), {});
}

TEST(LogModel, SegmentsOfFourMebibytesAreFilledUpToTheThirdAndBeyond) {
  storage::LogOptions options;
  options.segment_bytes = 4 << 20;
  uint64_t segments_max = 0;
  RunModel(1, 300, options, {.release = 2, .reset = 0, .payload_bytes_max = 100'000, .large_payload_bytes = 5 << 20},
           &segments_max);
  EXPECT_GE(segments_max, 3u);
}

TEST(LogModel, SegmentsComeAndGoSoThatTheDiskUseStaysBounded) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.CreateFolder(kTestFolder).ok());
  OpenedLog opened = OpenLog(disk, SmallLogOptions());
  ASSERT_TRUE(opened.status.ok()) << opened.status;
  uint64_t names_max = 0;
  uint64_t bytes_max = 0;
  for (uint64_t index = 1; index <= 3000; ++index) {
    const raft::Entry entry{.index = {index}, .term = {1}, .data = std::string(500, 'x')};
    ASSERT_TRUE(opened.log->Append({&entry, 1}).ok());
    ASSERT_TRUE(opened.log->Prepare().ok());
    if (index % 10 == 0) {
      ASSERT_TRUE(opened.log->Release({index}).ok());
    }
    names_max = std::max<uint64_t>(names_max, disk.List(kTestFolder)->size());
    bytes_max = std::max(bytes_max, opened.log->bytes_on_disk());
    ASSERT_EQ(opened.log->bytes_on_disk() + 1024, disk.bytes_used());
  }
  EXPECT_LE(names_max, 7u);
  EXPECT_LE(bytes_max, 6 * SmallLogOptions().segment_bytes);
  EXPECT_LE(disk.calls_of(DiskCall::kCreate), 8u) << "segments are recycled";
}

}  // namespace
}  // namespace regent::testing
