#include "server/config/identity.h"

#include <gtest/gtest.h>

namespace regent::server {
namespace {

// Read from a real etcd 3.7.3 started with its defaults.
TEST(IdentityTest, TheDefaultMemberHasTheIdsThatEtcdGivesIt) {
  const uint64_t member = DeriveMemberId({"http://localhost:2380"}, "etcd-cluster");
  EXPECT_EQ(member, 0x8e9e05c52164694dU);
  EXPECT_EQ(DeriveClusterId({member}), 0xcdf818194e3a8c32U);
}

TEST(IdentityTest, TheOrderOfUrlsDoesNotMatter) {
  EXPECT_EQ(DeriveMemberId({"http://a:1", "http://b:1"}, "t"), DeriveMemberId({"http://b:1", "http://a:1"}, "t"));
  EXPECT_NE(DeriveMemberId({"http://a:1"}, "t"), DeriveMemberId({"http://a:1"}, "u"));
}

TEST(IdentityTest, ReadsTheInitialCluster) {
  const auto members = ParseInitialCluster("a=http://a:1,b=http://b:1,a=http://a:2");
  ASSERT_TRUE(members.ok());
  ASSERT_EQ(members->size(), 2u);
  EXPECT_EQ((*members)[0].peer_urls.size(), 2u);
  EXPECT_TRUE(ParseInitialCluster("")->empty());
  EXPECT_FALSE(ParseInitialCluster("a").ok());
  EXPECT_FALSE(ParseInitialCluster("http://a:1").ok());
}

}  // namespace
}  // namespace regent::server
