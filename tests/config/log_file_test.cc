#include "server/runtime/log_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

namespace regent::server {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::MatchesRegex;

class LogFileTest : public testing::Test {
 protected:
  LogFileTest() : folder_(fs::path(testing::TempDir()) / "log_file_test") {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~LogFileTest() override { fs::remove_all(folder_); }

  std::string path() const { return folder_ / "server.log"; }

  void Put(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  std::string Read(const std::string& name) const {
    std::ifstream file(folder_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string ReadCompressed(const std::string& name) const {
    const gzFile file = gzopen((folder_ / name).c_str(), "rb");
    std::string text(1 << 16, '\0');
    text.resize(static_cast<size_t>(gzread(file, text.data(), static_cast<unsigned>(text.size()))));
    gzclose(file);
    return text;
  }

  // Two lines of which only one fits: the first is moved away.
  void WriteTwo(LogFile::Rotation rotation) {
    rotation.bytes_max = 8;
    const auto file = LogFile::Open(path(), rotation);
    ASSERT_TRUE(file.ok()) << file.status();
    (*file)->Write("first\n");
    (*file)->Write("second\n");
  }

  const fs::path folder_;
};

TEST_F(LogFileTest, AFullFileIsMovedAwayAndNoLineIsLostOrSplit) {
  WriteTwo({});
  const std::vector<std::string> names = Names();
  ASSERT_EQ(names.size(), 2u);
  EXPECT_THAT(names[0], MatchesRegex("server-20..-..-..T..-..-..\\....\\.log"));
  EXPECT_EQ(Read(names[0]), "first\n");
  EXPECT_EQ(Read("server.log"), "second\n");
}

TEST_F(LogFileTest, WhatAnEarlierProcessWroteCounts) {
  Put("server.log", "1234567\n");
  WriteTwo({});
  EXPECT_EQ(Names().size(), 3u);
}

TEST_F(LogFileTest, WithoutRotationAFileOnlyGrows) {
  const auto file = LogFile::Open(path(), std::nullopt);
  for (int i = 0; i < 100; ++i) (*file)->Write("0123456789\n");
  EXPECT_EQ(Read("server.log").size(), 1100u);
  EXPECT_EQ(Names().size(), 1u);
}

TEST_F(LogFileTest, OnlyTheNewestFilesStayAndOthersFilesAreNotTouched) {
  Put("server-2020-01-01T00-00-00.000.log", "old");
  Put("server-2021-01-01T00-00-00.000.log.gz", "newer");
  Put("server-2020-01-01.log", "somebody's");
  Put("other-2020-01-01T00-00-00.000.log", "somebody's");
  WriteTwo({.files_max = 2});
  EXPECT_THAT(Names(),
              ElementsAre("other-2020-01-01T00-00-00.000.log", "server-2020-01-01.log",
                          "server-2021-01-01T00-00-00.000.log.gz", testing::StartsWith("server-2"), "server.log"));
}

TEST_F(LogFileTest, OldFilesGo) {
  Put("server-2020-01-01T00-00-00.000.log", "old");
  Put("server-2999-01-01T00-00-00.000.log", "from the future");
  WriteTwo({.days_max = 1});
  EXPECT_EQ(Names().size(), 3u);
  EXPECT_FALSE(fs::exists(folder_ / "server-2020-01-01T00-00-00.000.log"));
}

TEST_F(LogFileTest, MovedFilesAreCompressed) {
  WriteTwo({.compress = true});
  const std::vector<std::string> names = Names();
  ASSERT_EQ(names.size(), 2u);
  EXPECT_THAT(names[0], testing::EndsWith(".log.gz"));
  EXPECT_EQ(ReadCompressed(names[0]), "first\n");
}

}  // namespace
}  // namespace regent::server
