// The seam on the real disk: the promises that can be seen without a crash.
#include "storage/posix_files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/storage/log_workload.h"

namespace regent::testing {
namespace {

class LogPosix : public ::testing::Test {
 protected:
  LogPosix() {
    std::string pattern = ::testing::TempDir() + "/regent-log-XXXXXX";
    EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  ~LogPosix() override { std::filesystem::remove_all(folder_); }

  storage::PosixFiles files_;
  std::string folder_;
};

TEST_F(LogPosix, TheLogLivesOverRestartsOnARealDisk) {
  LogDriver driver(3, {});
  for (int restart = 0; restart < 5; ++restart) {
    storage::RecoveredLog recovered;
    auto log = storage::LogStore::Open(files_, folder_, kTestIdentity, SmallLogOptions(), &recovered);
    ASSERT_TRUE(log.ok()) << log.status();
    ASSERT_EQ(DifferenceTo(driver.acknowledged(), recovered, **log), "");
    for (int i = 0; i < 100; ++i) {
      const absl::Status done = driver.Step(**log);
      ASSERT_TRUE(done.ok()) << done;
    }
  }
}

TEST_F(LogPosix, ErrorsHaveTheCodesOfTheSeamAndNameThePath) {
  const auto missing = files_.Open(folder_ + "/none", storage::OpenMode::kExisting);
  EXPECT_TRUE(absl::IsNotFound(missing.status()));
  EXPECT_NE(missing.status().message().find(folder_ + "/none"), std::string::npos);
  ASSERT_TRUE(files_.Open(folder_ + "/one", storage::OpenMode::kCreateNew).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(files_.Open(folder_ + "/one", storage::OpenMode::kCreateNew).status()));
  EXPECT_TRUE(absl::IsNotFound(files_.Remove(folder_ + "/none")));
  EXPECT_TRUE(files_.CreateFolder(folder_ + "/inner").ok());
  EXPECT_TRUE(files_.CreateFolder(folder_ + "/inner").ok());
  EXPECT_FALSE(files_.CreateFolder(folder_ + "/one").ok());
  EXPECT_TRUE(files_.SyncFolder(folder_).ok());
  EXPECT_EQ(*files_.List(folder_), (std::vector<std::string>{"inner", "one"}));
}

TEST_F(LogPosix, AShortWriteIsContinuedUntilTheSystemRefuses) {
  auto file = files_.Open(folder_ + "/limited", storage::OpenMode::kCreateNew);
  ASSERT_TRUE(file.ok());
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 4096, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status written = (*file)->WriteAt(0, std::string(10'000, 'x'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_FALSE(written.ok());
  EXPECT_EQ(*(*file)->Size(), 4096u);
}

TEST_F(LogPosix, ASecondHolderOfTheLockIsToldWhoHasIt) {
  auto first = files_.Lock(folder_ + "/lock");
  ASSERT_TRUE(first.ok());
  const auto second = files_.Lock(folder_ + "/lock");
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
  EXPECT_NE(second.status().message().find("(process id " + std::to_string(::getpid()) + ")"), std::string::npos)
      << second.status();
  first->reset();
  EXPECT_TRUE(files_.Lock(folder_ + "/lock").ok());
}

TEST_F(LogPosix, WhoOnlyLooksChangesNothingAndSharesTheLock) {
  { ASSERT_TRUE((*files_.Open(folder_ + "/file", storage::OpenMode::kCreateNew))->WriteAt(0, "content").ok()); }
  storage::ReadOnlyPosixFiles looking;
  auto file = looking.Open(folder_ + "/file", storage::OpenMode::kExisting);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_FALSE((*file)->WriteAt(0, "x").ok());
  EXPECT_FALSE((*file)->Truncate(1).ok());
  EXPECT_FALSE(looking.Open(folder_ + "/new", storage::OpenMode::kCreateNew).ok());
  EXPECT_FALSE(looking.Rename(folder_ + "/file", folder_ + "/new").ok());
  EXPECT_FALSE(looking.Remove(folder_ + "/file").ok());
  EXPECT_FALSE(looking.CreateFolder(folder_ + "/folder").ok());
  EXPECT_TRUE(looking.Lock(folder_ + "/lock").ok());  // a copy without a lock file
  EXPECT_EQ(*looking.List(folder_), std::vector<std::string>{"file"});

  auto owner = files_.Lock(folder_ + "/lock");
  ASSERT_TRUE(owner.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(looking.Lock(folder_ + "/lock").status()));
  owner->reset();
  auto first = looking.Lock(folder_ + "/lock");
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(looking.Lock(folder_ + "/lock").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(files_.Lock(folder_ + "/lock").status()));
}

TEST_F(LogPosix, AllocatedSpaceIsThereAndReadsAsZeroes) {
  auto file = files_.Open(folder_ + "/reserve", storage::OpenMode::kCreateNew);
  ASSERT_TRUE((*file)->Allocate(1 << 20).ok());
  EXPECT_EQ(*(*file)->Size(), 1u << 20);
  char byte = 'x';
  EXPECT_EQ(*(*file)->ReadAt((1 << 20) - 1, &byte, 1), 1u);
  EXPECT_EQ(byte, '\0');
  EXPECT_EQ(*(*file)->ReadAt(1 << 20, &byte, 1), 0u);
}

}  // namespace
}  // namespace regent::testing
