#include "server/config/duration.h"

#include <gtest/gtest.h>

#include "api/contract/duration_text.h"

namespace regent::server {
namespace {

using std::chrono::nanoseconds;

TEST(DurationTest, ReadsGoDurations) {
  EXPECT_EQ(*ParseDuration("300ms"), nanoseconds(300'000'000));
  EXPECT_EQ(*ParseDuration("1h30m"), nanoseconds(std::chrono::minutes(90)));
  EXPECT_EQ(*ParseDuration("1.5s"), nanoseconds(1'500'000'000));
  EXPECT_EQ(*ParseDuration(".5s"), nanoseconds(500'000'000));
  EXPECT_EQ(*ParseDuration("1.000000001s"), nanoseconds(1'000'000'001));
  EXPECT_EQ(*ParseDuration("9223372036854775807ns"), nanoseconds(INT64_MAX));
  EXPECT_EQ(*ParseDuration("0"), nanoseconds(0));
  EXPECT_EQ(*ParseDuration("-2s"), nanoseconds(-2'000'000'000));
}

TEST(DurationTest, RefusesWhatIsNone) {
  for (const char* text : {"", "5", "s", "5x", "1..5s", "5s5", "99999999999999999h", "9223372036854775808ns",
                           "9223372036s9999999999ns", ".s", "-"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
}

TEST(DurationTest, WritesWhatItReads) {
  for (const char* text :
       {"0s", "5s", "2h0m0s", "1m30s", "100ms", "15ns", "62.614µs", "1.434741ms", "1.5s", "1h0m0.25s", "-1s"}) {
    EXPECT_EQ(api::DurationText(*ParseDuration(text)), text);
  }
}

}  // namespace
}  // namespace regent::server
