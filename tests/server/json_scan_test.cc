// The end of a JSON value, and what is none.
#include "server/rpc/json_scan.h"

#include <gtest/gtest.h>

#include <string>

namespace regent::server {
namespace {

std::string First(std::string_view text) {
  const absl::StatusOr<std::string_view> value = FirstJsonValue(text);
  return value.ok() ? std::string(*value) : "refused";
}

TEST(JsonScanTest, TheFirstValueEndsWhereItEnds) {
  EXPECT_EQ(First(" \r\n\t{} x"), "{}");
  EXPECT_EQ(First(R"({"a":[1,-0.5e+3,true,false,null,"\"\\\/\b\u00e4}"],"b":{}}{})"),
            R"({"a":[1,-0.5e+3,true,false,null,"\"\\\/\b\u00e4}"],"b":{}})");
  EXPECT_EQ(First("[[[]]] "), "[[[]]]");
  EXPECT_EQ(First("0123"), "0");
  EXPECT_EQ(First(""), "");
  EXPECT_EQ(First(" \n"), "");
}

TEST(JsonScanTest, EveryPrefixOfAnObjectIsRefused) {
  const std::string text = R"({"a":[1,true,"\u0041"],"b":{"c":null}})";
  for (size_t size = 1; size < text.size(); ++size) EXPECT_EQ(First(text.substr(0, size)), "refused") << size;
}

TEST(JsonScanTest, WhatOnlyLenientReadersTakeIsRefused) {
  for (const char* text :
       {"{a:1}", "{'a':1}", "{\"a\":1,}", "[1,]", "[,1]",    "{\"a\" 1}",   "{\"a\":}", "tru", "nul",      "-",
        "1.",    "1e",      ".5",         "+1",   "\"\\x\"", "\"\\u00g0\"", "\"a\nb\"", "}",   "// c\n{}", "NaN"}) {
    EXPECT_EQ(First(text), "refused") << text;
  }
}

TEST(JsonScanTest, NestingIsBounded) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(First(nested(kJsonDepthMax)), nested(kJsonDepthMax));
  EXPECT_EQ(First(nested(kJsonDepthMax + 2)), "refused");
  EXPECT_EQ(First(std::string(1 << 20, '[')), "refused");
}

}  // namespace
}  // namespace regent::server
