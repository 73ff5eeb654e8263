#include "server/config/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/config/auto_compaction.h"
#include "server/config/option_value.h"
#include "server/config/options.h"
#include "tests/config/parse_flags.h"

namespace regent::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

TEST(FlagsTest, OneDashAndTwoDashesAndBothWaysOfGivingAValueMeanTheSame) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--name=a"}, {"-name=a"}, {"--name", "a"}, {"-name", "a"}}) {
    EXPECT_EQ(Parse(arguments).settings.name, "a");
  }
}

TEST(FlagsTest, TheLastOfARepeatedFlagWins) { EXPECT_EQ(Parse({"--name=a", "--name=b"}).settings.name, "b"); }

TEST(FlagsTest, ASwitchStandsAloneAndDoesNotTakeTheNextWord) {
  EXPECT_TRUE(Parse({"--unsafe-no-fsync"}).settings.unsafe_no_fsync);
  EXPECT_FALSE(Parse({"--pre-vote=false"}).settings.pre_vote);
  EXPECT_THAT(Refusal({"--unsafe-no-fsync", "true"}).message, HasSubstr("\"true\" is not a valid flag"));
}

// As etcd's parseCompactionRetention reads them.
TEST(FlagsTest, RetentionIsHoursRevisionsOrADuration) {
  using std::chrono::hours, std::chrono::minutes;
  const auto parse = [](const std::string& mode, const std::string& retention) {
    const auto parsed = ParseAutoCompaction(
        Parse({"--auto-compaction-mode=" + mode, "--auto-compaction-retention=" + retention}).settings);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    return parsed.value_or(AutoCompaction{});
  };
  EXPECT_EQ(parse("periodic", "0").period, hours(0));
  EXPECT_EQ(parse("periodic", "10").period, hours(10));
  EXPECT_EQ(parse("periodic", "5m").period, minutes(5));
  EXPECT_EQ(parse("periodic", "1h30m").period, minutes(90));
  EXPECT_EQ(parse("revision", "1000").revisions, 1000);
  EXPECT_EQ(parse("revision", "1000").period, hours(0));
  EXPECT_EQ(parse("revision", "1us").revisions, 1000);
}

struct BadWords {
  std::vector<std::string> arguments;
  int exit_code;
  std::string message;
};

class BadWordsTest : public testing::TestWithParam<BadWords> {};

// Texts and exit codes are those of a real etcd 3.7.3; tests/conformance/commandline compares with one.
TEST_P(BadWordsTest, AreRefusedAsEtcdDoes) {
  const UsageError error = Refusal(GetParam().arguments);
  EXPECT_EQ(error.exit_code, GetParam().exit_code);
  EXPECT_EQ(error.message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadWordsTest,
    testing::Values(
        BadWords{{"--no-such=1"}, 2, "flag provided but not defined: -no-such"},
        BadWords{{"--discovery=x"}, 2, "flag provided but not defined: -discovery"},
        BadWords{{"--experimental-initial-corrupt-check"},
                 2,
                 "flag provided but not defined: -experimental-initial-corrupt-check"},
        BadWords{{"server"}, 1, "\"server\" is not a valid flag"}, BadWords{{"-"}, 1, "\"-\" is not a valid flag"},
        BadWords{{"--", "x"}, 1, "\"x\" is not a valid flag"}, BadWords{{"---name=a"}, 2, "bad flag syntax: ---name=a"},
        BadWords{{"--=x"}, 2, "bad flag syntax: --=x"}, BadWords{{"-=x"}, 2, "bad flag syntax: -=x"},
        BadWords{{"--name"}, 2, "flag needs an argument: -name"},
        BadWords{{"--max-txn-ops=many"}, 2, "invalid value \"many\" for flag -max-txn-ops: parse error"},
        BadWords{{"--max-txn-ops=99999999999999999999999"},
                 2,
                 "invalid value \"99999999999999999999999\" for flag -max-txn-ops: value out of range"},
        BadWords{{"--pre-vote=maybe"}, 2, "invalid boolean value \"maybe\" for -pre-vote: parse error"},
        BadWords{{"--client-cert-auth=maybe"}, 2, "invalid boolean value \"maybe\" for -client-cert-auth: parse error"},
        BadWords{{"--max-wals=x"}, 2, "invalid value \"x\" for flag -max-wals: parse error"},
        BadWords{
            {"--grpc-keepalive-min-time=5"}, 2, "invalid value \"5\" for flag -grpc-keepalive-min-time: parse error"},
        BadWords{{"--max-concurrent-streams=-1"},
                 2,
                 "invalid value \"-1\" for flag -max-concurrent-streams: strconv.ParseUint: parsing \"-1\": invalid "
                 "syntax"},
        BadWords{{"--max-concurrent-streams=4294967296"},
                 2,
                 "invalid value \"4294967296\" for flag -max-concurrent-streams: strconv.ParseUint: parsing "
                 "\"4294967296\": value out of range"},
        BadWords{
            {"--initial-cluster-state=old"}, 2, "invalid value \"old\" for flag -initial-cluster-state: invalid value"},
        BadWords{
            {"--v2-deprecation=gone,x"}, 2, "invalid value \"gone,x\" for flag -v2-deprecation: invalid value \"x\""},
        BadWords{{"--cors="}, 2, "invalid value \"\" for flag -cors: URL scheme must be http, https, unix, or unixs: "},
        BadWords{{"--feature-gates=Foo=true"},
                 2,
                 "invalid value \"Foo=true\" for flag -feature-gates: unrecognized feature gate: Foo"}));

TEST(FlagsTest, NumbersHaveGosSpellings) {
  for (const char* text : {"128", "0x80", "0b1000_0000", "0o200", "0200", "1_2_8"}) {
    EXPECT_EQ(Parse({"--max-txn-ops", text}).settings.max_txn_ops, 128u) << text;
  }
  for (const char* text : {"", "_1", "1_", "1__2", "0x", "+1", " 1", "1e2"}) {
    EXPECT_EQ(Refusal({"--max-txn-ops", text}).exit_code, 2) << text;
  }
  EXPECT_EQ(Parse({"--max-learners=-5"}).settings.max_learners, -5);
  EXPECT_EQ(Parse({"--compaction-batch-limit=-9223372036854775808"}).settings.compaction_batch_limit, INT64_MIN);
  EXPECT_EQ(Refusal({"--compaction-batch-limit=9223372036854775808"}).exit_code, 2);
}

TEST(FlagsTest, FlagsOfOldVersionsAreAcceptedAndStandAlone) {
  const ParsedFlags flags = Parse({"--force", "--v", "--retry-interval=3", "--test.outputdir=x", "--name=a"});
  EXPECT_EQ(flags.settings.name, "a");
  EXPECT_THAT(FindWithoutEffect(flags), IsEmpty());
  EXPECT_EQ(Refusal({"--retry-interval", "3"}).exit_code, 1);
}

TEST(FlagsTest, HelpCountsFromWhereItStands) {
  EXPECT_TRUE(Parse({"--help", "--nope"}).help);
  EXPECT_TRUE(Parse({"-h=false"}).help);
  EXPECT_EQ(Refusal({"--nope", "--help"}).exit_code, 2);
}

TEST(FlagsTest, AnEmptyListOfUrlsKeepsTheDefault) {
  EXPECT_EQ(JoinUrls(Parse({"--listen-client-urls="}).settings.listen_client_urls), "http://localhost:2379");
  EXPECT_TRUE(Parse({"--listen-metrics-urls="}).settings.listen_metrics_urls.empty());
}

TEST(FlagsTest, AVariableSetsWhatTheCommandLineLeavesOut) {
  const ParsedFlags flags = Parse({}, {{"ETCD_DATA_DIR", "/data"}, {"ETCD_NAME", ""}});
  EXPECT_EQ(flags.settings.data_dir, "/data");
  EXPECT_EQ(flags.settings.name, "default");
  EXPECT_THAT(flags.used_environment, ElementsAre(Pair("ETCD_DATA_DIR", "/data")));
}

TEST(FlagsTest, FlagAndVariableAtOnceAreAnErrorEvenIfOneIsEmptyOrBad) {
  for (const Environment& environment : {Environment{{"ETCD_NAME", "b"}}, Environment{{"ETCD_NAME", ""}},
                                         Environment{{"ETCD_NAME", "b"}, {"ETCD_PRE_VOTE", "x"}}}) {
    const UsageError error = Refusal({"--name=a"}, environment);
    EXPECT_EQ(error.exit_code, 1);
    EXPECT_THAT(error.message, HasSubstr("conflicting environment variable is shadowed"));
    EXPECT_EQ(error.environment_variable, "ETCD_NAME");
  }
}

TEST(FlagsTest, ABadVariableHasExitCodeOneAndIsNamed) {
  const UsageError error = Refusal({}, {{"ETCD_MAX_TXN_OPS", "x"}});
  EXPECT_EQ(error.exit_code, 1);
  EXPECT_EQ(error.message, "invalid value \"x\" for ETCD_MAX_TXN_OPS: parse error");
}

TEST(FlagsTest, AnUnknownVariableIsOnlyReported) {
  const ParsedFlags flags =
      Parse({}, {{"ETCD_ENABLE_V2", "false"}, {"ETCD_VERSION", "3.5.0"}, {"ETCD_V", "1"}, {"HOME", "/"}});
  EXPECT_THAT(flags.unknown_environment, ElementsAre("ETCD_ENABLE_V2=false", "ETCD_VERSION=3.5.0"));
}

TEST(FlagsTest, AConfigurationFileMakesTheEnvironmentIrrelevant) {
  const Environment environment = {{"ETCD_CONFIG_FILE", "/etc/e.yml"}, {"ETCD_MAX_TXN_OPS", "x"}};
  EXPECT_EQ(Parse({}, environment).settings.config_file, "/etc/e.yml");
  EXPECT_EQ(Parse({"--config-file=/other", "--name=a"}, environment).settings.config_file, "/other");
}

TEST(FlagsTest, WhatHasNoEffectIsReportedOnceWithItsReasonUnlessItIsTheDefault) {
  const ParsedFlags flags = Parse({"--max-wals=3", "--max-wals=4", "--max-snapshots=5", "--raft-read-timeout=5000ms"},
                                  {{"ETCD_ENABLE_PPROF", "true"}});
  const std::vector<WithoutEffect> found = FindWithoutEffect(flags);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].shown, "ETCD_ENABLE_PPROF");
  EXPECT_EQ(found[1].shown, "--max-wals");
  for (const WithoutEffect& option : found) EXPECT_FALSE(option.why.empty());
}

// A text that differs from the default of the option and has the form of its values.
std::string OtherValue(const Option& option) {
  if (!option.choices.empty()) return std::string(option.choices.substr(option.choices.rfind(',') + 1));
  if (IsSwitch(option)) return FormatValue(option, Settings()) == "true" ? "false" : "true";
  for (const std::string text : {"17", "17s", "unix:///x", "LeaseCheckpoint=true"}) {
    Settings settings;
    if (SetValue(option, text, settings).ok()) return text;
  }
  return "";
}

TEST(FlagsTest, EveryOptionTakesItsDefaultAndAnotherValueAsFlagAndAsVariable) {
  EXPECT_EQ(Options().size(), 113u);  // of etcd 3.7
  for (const Option& option : Options()) {
    if (option.name == "version" || option.name == "config-file") continue;
    const std::string name(option.name);
    const std::string by_default = FormatValue(option, Settings());
    if (option.choices.empty() || !by_default.empty()) {
      const ParsedFlags same = Parse({"--" + name + "=" + by_default});
      EXPECT_EQ(same.given.at(name).normal, by_default) << name;
      EXPECT_THAT(FindWithoutEffect(same), IsEmpty()) << name;
    }
    const std::string other = OtherValue(option);
    EXPECT_NE(Parse({"--" + name + "=" + other}).given.at(name).normal, by_default) << name << "=" << other;
    EXPECT_NE(Parse({}, {{EnvironmentName(name), other}}).given.at(name).normal, by_default) << name << "=" << other;
  }
}

}  // namespace
}  // namespace regent::server
