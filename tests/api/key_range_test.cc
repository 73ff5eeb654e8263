#include "api/contract/key_range.h"

#include "gtest/gtest.h"

namespace regent::api {
namespace {

const std::string kZero(1, '\0');

TEST(KeyRange, AnEmptyEndIsTheKeyAlone) {
  EXPECT_TRUE(RangeContains("a", "", "a"));
  EXPECT_FALSE(RangeContains("a", "", "aa"));
  EXPECT_FALSE(RangeIsEmpty("a", ""));
}

TEST(KeyRange, AnEndOfOneZeroByteIsEverythingFromTheKeyOn) {
  EXPECT_TRUE(RangeContains("b", kZero, "b"));
  EXPECT_TRUE(RangeContains("b", kZero, "\xff\xff"));
  EXPECT_FALSE(RangeContains("b", kZero, "a"));
  EXPECT_TRUE(RangeContains(kZero, kZero, kZero));
  EXPECT_FALSE(RangeIsEmpty("b", kZero));
}

TEST(KeyRange, AnEndOfTwoZeroBytesIsAnOrdinaryEnd) {
  EXPECT_TRUE(RangeIsEmpty("b", std::string(2, '\0')));
  EXPECT_TRUE(RangeContains(kZero, std::string(2, '\0'), kZero));
}

TEST(KeyRange, TheEndIsExclusiveAndBytesAreUnsigned) {
  EXPECT_TRUE(RangeContains("a", "c", "b\xff"));
  EXPECT_FALSE(RangeContains("a", "c", "c"));
  EXPECT_TRUE(RangeContains("a", "\x80", "\x7f"));
  EXPECT_TRUE(RangeIsEmpty("c", "c"));
  EXPECT_TRUE(RangeIsEmpty("c", "a"));
}

TEST(KeyRange, ThePrefixEndIsTheFirstKeyBehindThePrefix) {
  EXPECT_EQ(PrefixEnd("/registry/"), "/registry0");
  EXPECT_EQ(PrefixEnd("a\xff\xff"), "b");
  EXPECT_EQ(PrefixEnd("\xff\xff"), kZero);
  EXPECT_EQ(PrefixEnd(""), kZero);
}

}  // namespace
}  // namespace regent::api
