#include "server/config/url.h"

#include <gtest/gtest.h>

namespace regent::server {
namespace {

TEST(UrlTest, ReadsHostPortAndUnixPath) {
  EXPECT_EQ(ParseUrl("http://127.0.0.1:2379")->port, 2379u);
  EXPECT_EQ(ParseUrl("http://[::1]:0")->host, "::1");
  EXPECT_EQ(ParseUrl("unix:///tmp/a.sock")->host, "/tmp/a.sock");
  EXPECT_EQ(ParseUrl("unix:/tmp/a.sock")->host, "/tmp/a.sock");
  EXPECT_EQ(ParseUrl("unix://a.sock")->host, "a.sock");
  EXPECT_EQ(ParseUrl(" HTTP://a:1 ")->text, "http://a:1");
}

// The texts are etcd's.
TEST(UrlTest, NamesWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "URL scheme must be http, https, unix, or unixs: "},
      {"*", "URL scheme must be http, https, unix, or unixs: *"},
      {"localhost:2379", "URL scheme must be http, https, unix, or unixs: localhost:2379"},
      {"127.0.0.1:1", "parse \"127.0.0.1:1\": first path segment in URL cannot contain colon"},
      {"ftp://a:1", "URL scheme must be http, https, unix, or unixs: ftp://a:1"},
      {"http://a", "URL address does not have the form \"host:port\": http://a"},
      {"http://::1:2", "URL address does not have the form \"host:port\": http://::1:2"},
      {"http://[::1]", "URL address does not have the form \"host:port\": http://[::1]"},
      {"http:a:1", "URL address does not have the form \"host:port\": http:a:1"},
      {"http://a:x", "parse \"http://a:x\": invalid port \":x\" after host"},
      {"http://a:1/", "URL must not contain a path: http://a:1/"},
      {"http://a:1/x", "URL must not contain a path: http://a:1/x"},
      {"http://u@a:1", "URL must not contain a user, a query, a fragment or a space: http://u@a:1"},
      {"unix://", "a unix URL needs a path: unix://"}};
  for (const auto& [text, message] : cases) EXPECT_EQ(ParseUrl(text).status().message(), message) << text;
}

TEST(UrlTest, AListIsSortedAndHasEachUrlOnce) {
  EXPECT_EQ(JoinUrls(*ParseUrls("http://b:1,http://a:1, http://b:1")), "http://a:1,http://b:1");
  EXPECT_FALSE(ParseUrls("http://a:1,").ok());
}

TEST(UrlTest, AListenerNeedsAnAddress) {
  for (const char* text : {"http://127.0.0.1:1", "http://[::]:1", "http://localhost:1", "unix://a:1"}) {
    EXPECT_TRUE(CheckListenHost(*ParseUrl(text)).ok()) << text;
  }
  for (const char* text : {"http://example.org:1", "http://:1"}) {
    EXPECT_EQ(CheckListenHost(*ParseUrl(text)).message(), "expected IP in URL for binding (" + std::string(text) + ")");
  }
}

}  // namespace
}  // namespace regent::server
