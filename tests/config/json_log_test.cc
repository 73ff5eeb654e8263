#include "server/runtime/json_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "server/runtime/server_log.h"

namespace regent::server {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string TempFile(const std::string& name) {
  const std::string path = testing::TempDir() + "server_log_test_" + name;
  std::remove(path.c_str());
  return path;
}

std::string Read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(JsonLogTest, StringsAreEscapedAndBadBytesReplaced) {
  EXPECT_EQ(JsonString("a\"b\\c\n\x01"), R"("a\"b\\c\n\u0001")");
  EXPECT_EQ(JsonString("\xff\xc3"), R"("\ufffd\ufffd")");
  EXPECT_EQ(JsonString("\xc3\xa9"), "\"\xc3\xa9\"");
}

TEST(ServerLogTest, ALineHasLevelTimeCallerMessageAndFields) {
  testing::internal::CaptureStderr();
  {
    const auto log = ServerLog::Open({});
    LOG(WARNING) << "slow disk" << Field("took", 5) << Field("file", "a\"b");
  }
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_THAT(line, StartsWith(R"({"level":"warn","ts":"2)"));
  EXPECT_THAT(line, HasSubstr(R"("msg":"slow disk","took":5,"file":"a\"b"})"));
  EXPECT_THAT(line, HasSubstr(R"("caller":")"));
}

// As zap's console encoder writes it.
TEST(ServerLogTest, AConsoleLineIsSeparatedByTabs) {
  std::ostringstream text;
  text << "slow disk" << Field("took", 5) << Field("file", "x");
  const std::string message = text.str();
  const LogLine line{.severity = google::GLOG_WARNING, .time = "T", .caller = "a.cc:1", .message = message};
  EXPECT_EQ(FormatLogLine(line, LogFormat::kConsole), "T\twarn\ta.cc:1\tslow disk\t{\"took\": 5, \"file\": \"x\"}\n");
  const LogLine bare{.time = "T", .caller = "a.cc:1", .message = "ready"};
  EXPECT_EQ(FormatLogLine(bare, LogFormat::kConsole), "T\tinfo\ta.cc:1\tready\n");
}

TEST(ServerLogTest, LinesGoToEveryOutputAndFilesAreAppendedTo) {
  const std::string first = TempFile("first"), second = TempFile("second");
  for (int round = 0; round < 2; ++round) {
    testing::internal::CaptureStdout();
    {
      const auto log = ServerLog::Open({.outputs = {first, second, "stdout"}});
      ASSERT_TRUE(log.ok()) << log.status();
      LOG(INFO) << "round " << round;
    }
    EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("round " + std::to_string(round)));
  }
  EXPECT_THAT(Read(first), HasSubstr("\"msg\":\"round 0\"}\n{"));
  EXPECT_EQ(Read(first), Read(second));
}

TEST(ServerLogTest, LinesBelowTheLevelAreDropped) {
  const std::string path = TempFile("level");
  {
    const auto log = ServerLog::Open({.level = "WARN", .outputs = {path}});
    LOG(INFO) << "quiet";
    LOG(ERROR) << "loud";
  }
  EXPECT_THAT(Read(path), testing::Not(HasSubstr("quiet")));
  EXPECT_THAT(Read(path), HasSubstr("loud"));
}

TEST(ServerLogTest, NullAmongTheOutputsSilencesAll) {
  const std::string path = TempFile("null");
  {
    const auto log = ServerLog::Open({.outputs = {path, "/dev/null"}});
    LOG(ERROR) << "lost";
  }
  EXPECT_EQ(Read(path), "");
}

TEST(ServerLogTest, AFileThatCannotBeOpenedIsNamed) {
  const auto log = ServerLog::Open({.outputs = {"/no/such/x"}});
  EXPECT_EQ(log.status().message(), "open sink \"/no/such/x\": open /no/such/x: no such file or directory");
}

}  // namespace
}  // namespace regent::server
