// One rule of the log a test.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "storage/log_format.h"
#include "tests/storage/log_workload.h"
#include "tests/support/memory_disk.h"

namespace regent::testing {
namespace {

class LogRules : public ::testing::Test {
 protected:
  LogRules() {
    EXPECT_TRUE(disk_.CreateFolder(kTestFolder).ok());
    Reopen();
  }

  void Reopen() {
    opened_.log.reset();
    opened_ = OpenLog(disk_, options_);
    ASSERT_TRUE(opened_.status.ok()) << opened_.status;
  }

  void Append(uint64_t first, uint64_t count, uint64_t term, size_t bytes = 100) {
    std::vector<raft::Entry> entries;
    for (uint64_t index = first; index < first + count; ++index) {
      entries.push_back({.index = {index}, .term = {term}, .data = std::string(bytes, static_cast<char>('a' + term))});
    }
    ASSERT_TRUE(opened_.log->Append(entries).ok());
  }

  std::vector<uint64_t> TermsFrom(uint64_t first) {
    std::vector<uint64_t> terms;
    const auto entries = opened_.log->Read({first}, 1 << 20);
    EXPECT_TRUE(entries.ok()) << entries.status();
    if (entries.ok()) {
      for (const raft::Entry& entry : *entries) terms.push_back(entry.term.value);
    }
    return terms;
  }

  MemoryDisk disk_;
  storage::LogOptions options_ = SmallLogOptions();
  OpenedLog opened_;
};

TEST_F(LogRules, AConflictingSuffixIsReplacedWhateverItsTerm) {
  Append(1, 5, 4);
  Append(3, 1, 7);
  EXPECT_EQ(TermsFrom(1), (std::vector<uint64_t>{4, 4, 7}));
  Append(2, 2, 3);  // figure 8: a lower term comes back
  EXPECT_EQ(TermsFrom(1), (std::vector<uint64_t>{4, 3, 3}));
  Reopen();
  EXPECT_EQ(TermsFrom(1), (std::vector<uint64_t>{4, 3, 3}));
  EXPECT_EQ(opened_.recovered.last_term.value, 3u);
}

TEST_F(LogRules, AnEntryLargerThanASegmentGetsASegmentOfItsOwn) {
  Append(1, 1, 1);
  Append(2, 1, 2, 50'000);
  Append(3, 1, 3);
  EXPECT_EQ(SegmentPaths(disk_).size(), 3u);
  Reopen();
  EXPECT_EQ(TermsFrom(1), (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(opened_.log->Read({2}, 1)->front().data.size(), 50'000u);
}

TEST_F(LogRules, ReadGivesAtLeastOneEntryAndNoMoreThanAskedFor) {
  Append(1, 10, 1, 100);
  EXPECT_EQ(opened_.log->Read({1}, 0)->size(), 1u);
  EXPECT_EQ(opened_.log->Read({1}, 299)->size(), 2u);
  EXPECT_EQ(opened_.log->Read({1}, 300)->size(), 3u);
  EXPECT_EQ(opened_.log->Read({9}, 10'000)->size(), 2u);
  EXPECT_TRUE(absl::IsOutOfRange(opened_.log->Read({11}, 1).status()));
  EXPECT_TRUE(absl::IsNotFound(opened_.log->Read({0}, 1).status()));
}

TEST_F(LogRules, ReleaseKeepsAnEntryThatTellsTheTermBeforeTheNextOne) {
  for (uint64_t index = 1; index <= 60; ++index) Append(index, 1, index, 1000);
  ASSERT_TRUE(opened_.log->Release({40}).ok());
  const uint64_t base = opened_.log->base_index().value;
  EXPECT_GE(base, 20u);
  EXPECT_LE(base, 40u);
  EXPECT_TRUE(absl::IsNotFound(opened_.log->Read({base}, 1).status()));
  EXPECT_EQ(opened_.log->Read({base + 1}, 1)->front().term.value, base + 1);
  Reopen();
  EXPECT_EQ(opened_.recovered.base_index.value, base);
  EXPECT_EQ(opened_.recovered.base_term.value, base);
  EXPECT_EQ(opened_.recovered.last_index.value, 60u);
}

TEST_F(LogRules, AReleasedSuffixThatWasReplacedDoesNotMakeAnUnreleasedEntryTheBase) {
  // The first segment ends with 5, the second holds 6 to 9, then 4 comes again: releasing 3 must keep 4 servable.
  for (uint64_t index = 1; SegmentPaths(disk_).size() < 2; ++index) Append(index, 1, 1, 3000);
  const uint64_t last = opened_.log->last_index().value;
  Append(last - 1, 1, 2, 100);
  ASSERT_TRUE(opened_.log->Release({last - 2}).ok());
  EXPECT_LE(opened_.log->base_index().value, last - 2);
  Reopen();
  EXPECT_LE(opened_.recovered.base_index.value, last - 2);
  EXPECT_EQ(TermsFrom(last - 1), (std::vector<uint64_t>{2}));
}

TEST_F(LogRules, ResetDropsEverythingAndBeginsBehindTheSnapshot) {
  for (uint64_t index = 1; index <= 40; ++index) Append(index, 1, 1, 1000);
  ASSERT_GE(SegmentPaths(disk_).size(), 3u);
  ASSERT_TRUE(opened_.log->Reset({100}, {7}).ok());
  EXPECT_EQ(SegmentPaths(disk_).size(), 1u);
  EXPECT_EQ(opened_.log->last_index().value, 100u);
  Append(101, 1, 7);
  Reopen();
  EXPECT_EQ(opened_.recovered.base_index.value, 100u);
  EXPECT_EQ(opened_.recovered.base_term.value, 7u);
  EXPECT_EQ(opened_.recovered.last_index.value, 101u);
  EXPECT_EQ(TermsFrom(101), (std::vector<uint64_t>{7}));
}

TEST_F(LogRules, AMarkIsWantedAfterEntriesAndNotAfterAMark) {
  EXPECT_FALSE(opened_.log->MarkWanted());
  Append(1, 1, 1);
  EXPECT_TRUE(opened_.log->MarkWanted());
  Reopen();
  EXPECT_TRUE(opened_.log->MarkWanted());
  ASSERT_TRUE(opened_.log->WriteMark().ok());
  EXPECT_FALSE(opened_.log->MarkWanted());
  Reopen();
  EXPECT_FALSE(opened_.log->MarkWanted());
  const uint64_t calls = disk_.calls();
  ASSERT_TRUE(opened_.log->WriteMark().ok());
  EXPECT_EQ(disk_.calls(), calls) << "a second mark costs nothing";
}

TEST_F(LogRules, OneAppendIsOneWriteAndOneSync) {
  while (*opened_.log->Prepare()) {
  }
  Append(1, 1, 1);
  const uint64_t writes = disk_.calls_of(DiskCall::kWrite);
  const uint64_t syncs = disk_.calls_of(DiskCall::kSync);
  const uint64_t calls = disk_.calls();
  Append(2, 20, 1);
  EXPECT_EQ(disk_.calls_of(DiskCall::kWrite) - writes, 1u);
  EXPECT_EQ(disk_.calls_of(DiskCall::kSync) - syncs, 1u);
  EXPECT_EQ(disk_.calls() - calls, 2u);
}

TEST_F(LogRules, AnAppendOfNothingTouchesNothing) {
  const uint64_t calls = disk_.calls();
  EXPECT_TRUE(opened_.log->Append({}).ok());
  EXPECT_EQ(disk_.calls(), calls);
}

TEST_F(LogRules, PreparedSpaceIsWrittenAheadSoThatAppendsDoNotGrowTheFile) {
  while (*opened_.log->Prepare()) {
  }
  const uint64_t size = disk_.Content(SegmentPaths(disk_).back()).size();
  EXPECT_GE(size, storage::kSegmentHeaderBytes + options_.prefill_bytes);
  Append(1, 1, 1, 1000);
  EXPECT_EQ(disk_.Content(SegmentPaths(disk_).back()).size(), size);
}

TEST_F(LogRules, TheObserverSeesEverySyncOfABatchWithTheOwnersClock) {
  std::chrono::steady_clock::time_point clock{};
  std::vector<std::pair<std::chrono::steady_clock::duration, size_t>> seen;
  options_.now = [&clock] { return clock += std::chrono::microseconds(5); };
  options_.on_sync = [&seen](std::chrono::steady_clock::duration took, size_t bytes) {
    seen.emplace_back(took, bytes);
  };
  Reopen();
  Append(1, 1, 1, 8);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].first, std::chrono::microseconds(5));
  EXPECT_EQ(seen[0].second, storage::kSectorBytes);
}

TEST_F(LogRules, ALogOfAnotherMemberOrClusterIsRefusedAndLeftAlone) {
  Append(1, 1, 1);
  const uint64_t hash = disk_.Hash();
  for (const storage::LogIdentity& other : {storage::LogIdentity{0x11, 0x23}, storage::LogIdentity{0x12, 0x22}}) {
    storage::RecoveredLog recovered;
    const auto log = storage::LogStore::Open(disk_, kTestFolder, other, options_, &recovered);
    EXPECT_TRUE(absl::IsFailedPrecondition(log.status())) << log.status();
    EXPECT_NE(log.status().message().find("belongs to another"), std::string::npos);
  }
  EXPECT_EQ(disk_.Hash(), hash);
}

TEST_F(LogRules, LeftoversAreTolerated) {
  Append(1, 3, 1);
  const std::string folder = kTestFolder;
  for (const std::string name :
       {"spare-0000000000000009", "spare-x", "0000000000000001.log.tmp", "notes.txt", "1.log"}) {
    auto file = disk_.Open(folder + "/" + name, storage::OpenMode::kCreateNew);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->WriteAt(0, std::string(9000, 'q')).ok());
  }
  Reopen();
  EXPECT_EQ(TermsFrom(1), (std::vector<uint64_t>{1, 1, 1}));
  EXPECT_EQ(opened_.recovered.notes.size(), 4u);
  // The spare is used, its old content is never taken for batches.
  for (uint64_t index = 4; index <= 40; ++index) Append(index, 1, 2, 1000);
  EXPECT_FALSE(*disk_.Exists(folder + "/spare-0000000000000009"));
  Reopen();
  EXPECT_EQ(opened_.recovered.last_index.value, 40u);
  EXPECT_EQ(opened_.recovered.torn_bytes, 0u);
}

TEST_F(LogRules, StrayOlderSegmentsAreIgnoredAndRemovedWithTheFirstRelease) {
  for (uint64_t index = 1; index <= 60; ++index) Append(index, 1, 1, 1000);
  ASSERT_TRUE(opened_.log->Release({30}).ok());
  const std::string stray = std::string(kTestFolder) + "/0000000000000001.log";
  ASSERT_NE(SegmentPaths(disk_).front(), stray);
  const auto file = disk_.Open(stray, storage::OpenMode::kCreateNew);
  ASSERT_TRUE(file.ok());
  ASSERT_GT(SegmentPaths(disk_)[1], std::string(kTestFolder) + "/0000000000000002.log");
  Reopen();
  EXPECT_EQ(opened_.recovered.last_index.value, 60u);
  EXPECT_TRUE(*disk_.Exists(stray));
  ASSERT_TRUE(opened_.log->Release({30}).ok());
  EXPECT_FALSE(*disk_.Exists(stray));
}

TEST_F(LogRules, MissingSegmentsWithATermThatWasSavedAreCorruption) {
  ASSERT_TRUE(opened_.log->SaveHardState({.term = {4}, .vote = {1}}).ok());
  ASSERT_TRUE(disk_.Remove(SegmentPaths(disk_).front()).ok());
  EXPECT_TRUE(absl::IsDataLoss(OpenLog(disk_, options_).status));
}

TEST_F(LogRules, ASegmentUnderAnotherNameIsCorruption) {
  Append(1, 1, 1);
  ASSERT_TRUE(disk_.Rename(SegmentPaths(disk_).front(), std::string(kTestFolder) + "/0000000000000002.log").ok());
  const OpenedLog opened = OpenLog(disk_, options_);
  EXPECT_TRUE(absl::IsDataLoss(opened.status)) << opened.status;
  EXPECT_NE(opened.status.message().find("the header says segment 1"), std::string::npos) << opened.status;
}

TEST_F(LogRules, ATornTailIsDiscardedReportedAndWiped) {
  Append(1, 2, 1);
  const std::string path = SegmentPaths(disk_).front();
  const std::string before = disk_.Content(path);
  Append(3, 1, 1, 2000);
  const std::string after = disk_.Content(path);
  const uint64_t torn_at = after.find("Rbat", storage::kSegmentHeaderBytes + 4);
  opened_.log.reset();
  disk_.Damage(path, torn_at + 1024, std::string(512, '\0'));
  Reopen();
  EXPECT_EQ(opened_.recovered.last_index.value, 2u);
  EXPECT_GE(opened_.recovered.torn_bytes, 2000u);
  EXPECT_EQ(opened_.recovered.torn_where, path + " at offset " + std::to_string(torn_at));
  EXPECT_EQ(disk_.Content(path).substr(torn_at).find_first_not_of('\0'), std::string::npos);
  Append(3, 1, 2);
  Reopen();
  EXPECT_EQ(TermsFrom(1), (std::vector<uint64_t>{1, 1, 2}));
  EXPECT_EQ(opened_.recovered.torn_bytes, 0u);
}

TEST_F(LogRules, AValueThatLooksLikeABatchIsNotTakenForOne) {
  // The content of the segment so far, magic, checksums and all, comes back as a client's value.
  Append(1, 3, 1);
  const std::string content = disk_.Content(SegmentPaths(disk_).front());
  const raft::Entry entry{.index = {4}, .term = {1}, .data = content.substr(storage::kSegmentHeaderBytes, 600)};
  ASSERT_TRUE(opened_.log->Append({&entry, 1}).ok());
  Reopen();
  EXPECT_EQ(opened_.recovered.last_index.value, 4u);
  EXPECT_EQ(opened_.log->Read({4}, 1)->front(), entry);
}

TEST(LogRulesDeath, ABrokenPromiseOfTheCallerStopsTheProcess) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.CreateFolder(kTestFolder).ok());
  OpenedLog opened = OpenLog(disk, SmallLogOptions());
  const raft::Entry gap{.index = {2}, .term = {1}};
  EXPECT_DEATH((void)opened.log->Append({&gap, 1}), "entries are missing");
  const raft::Entry base{.index = {0}, .term = {1}};
  EXPECT_DEATH((void)opened.log->Append({&base, 1}), "released");
}

}  // namespace
}  // namespace regent::testing
