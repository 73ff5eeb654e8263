#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/config/feature_gates.h"
#include "server/config/log_rotation.h"

namespace regent::server {
namespace {

TEST(FeatureGatesTest, HaveEtcdsDefaults) {
  const FeatureGates gates;
  EXPECT_TRUE(gates.enabled("FastLeaseKeepAlive"));
  EXPECT_TRUE(gates.enabled("TxnModeWriteWithSharedBuffer"));
  EXPECT_FALSE(gates.enabled("InitialCorruptCheck"));
  EXPECT_EQ(KnownFeatureGates().size(), 11u);
}

TEST(FeatureGatesTest, AllOfAStageYieldsToWhatIsSetByItself) {
  FeatureGates gates;
  ASSERT_TRUE(gates.Set("AllAlpha=true,LeaseCheckpoint=false ,,AllBeta=F").ok());
  EXPECT_TRUE(gates.enabled("InitialCorruptCheck"));
  EXPECT_FALSE(gates.enabled("LeaseCheckpoint"));
  EXPECT_FALSE(gates.enabled("FastLeaseKeepAlive"));
}

TEST(FeatureGatesTest, ErrorsHaveEtcdsTextsAndChangeNothing) {
  FeatureGates gates;
  EXPECT_EQ(gates.Set("LeaseCheckpoint=true,Foo=true").message(), "unrecognized feature gate: Foo");
  EXPECT_EQ(gates.Set("LeaseCheckpoint").message(), "missing bool value for LeaseCheckpoint");
  EXPECT_EQ(gates.Set("LeaseCheckpoint=2").message(),
            "invalid value of LeaseCheckpoint=2, err: strconv.ParseBool: parsing \"2\": invalid syntax");
  EXPECT_EQ(gates.text(), "");
}

TEST(LogRotationTest, ReadsTheObject) {
  const auto rotation = ParseLogRotation(
      R"( {"maxsize": 7, "maxage":3,"maxbackups" : 2, "localtime": true, "compress": true, "filename": "a\"}"} )");
  ASSERT_TRUE(rotation.ok()) << rotation.status();
  EXPECT_EQ(rotation->megabytes_max, 7);
  EXPECT_EQ(rotation->days_max, 3);
  EXPECT_EQ(rotation->files_max, 2);
  EXPECT_TRUE(rotation->local_time);
  EXPECT_TRUE(rotation->compress);
  EXPECT_EQ(ParseLogRotation("{}")->megabytes_max, 100);
  EXPECT_EQ(ParseLogRotation(R"({"maxsize":0,"maxage":null})")->megabytes_max, 100);
}

TEST(LogRotationTest, TellsSyntaxFromTypes) {
  for (const char* text : {"", "{", "{x", "[]", R"({"a")", R"({"a":})", R"({"a":1)", R"({"a":1,})", R"({"a":1} x)",
                           R"({"a":"b)", R"({"a":flase})", R"({"a":[1]})"}) {
    EXPECT_EQ(ParseLogRotation(text).status().message().find("improperly formatted log rotation config: "), 0u) << text;
  }
  for (const char* text : {R"({"maxsize":"a"})", R"({"maxage":1.5})", R"({"compress":1})", R"({"localtime":"true"})",
                           R"({"maxbackups":true})", R"({"maxsize":-1})"}) {
    EXPECT_EQ(ParseLogRotation(text).status().message().find("invalid log rotation config: "), 0u) << text;
  }
  EXPECT_EQ(ParseLogRotation(R"({"maxsize":"a"})").status().message(),
            "invalid log rotation config: json: cannot unmarshal string into Go struct field "
            "logRotationConfig.Logger.maxsize of type int");
}

}  // namespace
}  // namespace regent::server
