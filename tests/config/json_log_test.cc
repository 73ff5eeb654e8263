#include "server/runtime/json_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace regent::server {
namespace {

using testing::HasSubstr;

TEST(JsonLogTest, StringsAreEscapedAndBadBytesReplaced) {
  EXPECT_EQ(JsonString("a\"b\\c\n\x01"), R"("a\"b\\c\n\u0001")");
  EXPECT_EQ(JsonString("\xff\xc3"), R"("\ufffd\ufffd")");
  EXPECT_EQ(JsonString("\xc3\xa9"), "\"\xc3\xa9\"");
}

TEST(JsonLogTest, ALineHasLevelTimeCallerMessageAndFields) {
  testing::internal::CaptureStderr();
  {
    const JsonLog log("info");
    LOG(WARNING) << "slow disk" << Field("took", 5) << Field("file", "a\"b");
  }
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_THAT(line, testing::StartsWith(R"({"level":"warn","ts":"2)"));
  EXPECT_THAT(line, HasSubstr(R"("msg":"slow disk","took":5,"file":"a\"b"})"));
  EXPECT_THAT(line, HasSubstr(R"("caller":")"));
}

}  // namespace
}  // namespace regent::server
