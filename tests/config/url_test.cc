#include "server/config/url.h"

#include <gtest/gtest.h>

namespace regent::server {
namespace {

TEST(UrlTest, ReadsHostPortAndUnixPath) {
  EXPECT_EQ(ParseUrl("http://127.0.0.1:2379")->port, 2379);
  EXPECT_EQ(ParseUrl("http://[::1]:0")->host, "::1");
  EXPECT_EQ(ParseUrl("unix:///tmp/a.sock")->host, "/tmp/a.sock");
  EXPECT_EQ(ParseUrl("unix://a.sock")->host, "a.sock");
  EXPECT_EQ(ParseUrl("http://127.0.0.1:2379/")->port, 2379);
}

TEST(UrlTest, NamesWhatIsWrong) {
  for (const char* text : {"", "localhost:2379", "ftp://a:1", "http://a", "http://a:x", "http://a:65536",
                           "http://a:1/x", "unix://", "http://[::1]"}) {
    EXPECT_FALSE(ParseUrl(text).ok()) << text;
  }
}

TEST(UrlTest, AListHasNoUrlTwice) {
  EXPECT_EQ(ParseUrls("http://a:1,http://b:1")->size(), 2u);
  EXPECT_FALSE(ParseUrls("http://a:1,http://a:1").ok());
  EXPECT_FALSE(ParseUrls("http://a:1,").ok());
}

}  // namespace
}  // namespace regent::server
