#include "server/config/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/config/auto_compaction.h"
#include "server/config/options.h"

namespace regent::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Environment = std::map<std::string, std::string>;

ParsedFlags Parse(const std::vector<std::string>& arguments, const Environment& environment = {}) {
  auto parsed = ParseFlags(arguments, environment);
  if (auto* error = std::get_if<UsageError>(&parsed)) ADD_FAILURE() << error->message;
  return std::holds_alternative<ParsedFlags>(parsed) ? std::get<ParsedFlags>(parsed) : ParsedFlags();
}

UsageError Refusal(const std::vector<std::string>& arguments, const Environment& environment = {}) {
  auto parsed = ParseFlags(arguments, environment);
  EXPECT_TRUE(std::holds_alternative<UsageError>(parsed));
  return std::holds_alternative<UsageError>(parsed) ? std::get<UsageError>(parsed) : UsageError();
}

TEST(FlagsTest, OneDashAndTwoDashesAndBothWaysOfGivingAValueMeanTheSame) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--name=a"}, {"-name=a"}, {"--name", "a"}, {"-name", "a"}}) {
    EXPECT_EQ(Parse(arguments).settings.name, "a");
  }
}

TEST(FlagsTest, TheLastOfARepeatedFlagWins) { EXPECT_EQ(Parse({"--name=a", "--name=b"}).settings.name, "b"); }

TEST(FlagsTest, ASwitchStandsAloneAndDoesNotTakeTheNextWord) {
  EXPECT_TRUE(Parse({"--unsafe-no-fsync"}).settings.unsafe_no_fsync);
  EXPECT_FALSE(Parse({"--unsafe-no-fsync=false"}).settings.unsafe_no_fsync);
  EXPECT_THAT(Refusal({"--unsafe-no-fsync", "true"}).message, HasSubstr("\"true\" is not a valid flag"));
}

TEST(FlagsTest, AnUnknownFlagHasExitCodeTwoAndIsNamed) {
  const UsageError error = Refusal({"--no-such-flag=1"});
  EXPECT_EQ(error.exit_code, 2);
  EXPECT_THAT(error.message, HasSubstr("no-such-flag"));
}

TEST(FlagsTest, ALeftoverWordHasExitCodeOne) { EXPECT_EQ(Refusal({"server"}).exit_code, 1); }

TEST(FlagsTest, AFlagWithoutItsValueIsNamed) { EXPECT_THAT(Refusal({"--name"}).message, HasSubstr("-name")); }

TEST(FlagsTest, EveryRefusedOptionNamesItselfAsFlagAndAsVariable) {
  int refused = 0;
  for (const Option& option : Options()) {
    if (option.support != Option::Support::kRefused) continue;
    ++refused;
    const std::string name(option.name);
    EXPECT_THAT(Refusal({"--" + name + "=1"}).message, HasSubstr("--" + name + " is not supported"));
    EXPECT_THAT(Refusal({}, {{EnvironmentName(option), "1"}}).message, HasSubstr(EnvironmentName(option)));
  }
  EXPECT_GT(refused, 80);
}

TEST(FlagsTest, AVariableSetsWhatTheCommandLineLeavesOut) {
  EXPECT_EQ(Parse({}, {{"ETCD_DATA_DIR", "/data"}}).settings.data_dir, "/data");
}

TEST(FlagsTest, FlagAndVariableAtOnceAreAnError) {
  const UsageError error = Refusal({"--name=a"}, {{"ETCD_NAME", "b"}});
  EXPECT_EQ(error.exit_code, 1);
  EXPECT_THAT(error.message, HasSubstr("conflicting environment variable is shadowed"));
}

TEST(FlagsTest, AnUnknownVariableIsOnlyReported) {
  const ParsedFlags flags = Parse({}, {{"ETCD_ENABLE_V2", "false"}, {"ETCD_VERSION", "3.5.0"}, {"HOME", "/"}});
  EXPECT_THAT(flags.unknown_environment, ElementsAre("ETCD_ENABLE_V2=false", "ETCD_VERSION=3.5.0"));
}

TEST(FlagsTest, NumbersMayBeNegative) {
  EXPECT_EQ(Parse({"--quota-backend-bytes", "8589934592"}).settings.quota_backend_bytes, 8589934592);
  EXPECT_EQ(Parse({"--quota-backend-bytes=-1"}).settings.quota_backend_bytes, -1);
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

TEST(FlagsTest, ABadValueNamesFlagAndValue) {
  const std::string message = Refusal({"--max-txn-ops=many"}).message;
  EXPECT_THAT(message, HasSubstr("--max-txn-ops"));
  EXPECT_THAT(message, HasSubstr("many"));
}

TEST(FlagsTest, HelpNamesEveryOption) {
  const std::string help = HelpText();
  for (const Option& option : Options()) EXPECT_THAT(help, HasSubstr("--" + std::string(option.name)));
}

struct Invalid {
  std::vector<std::string> arguments;
  std::string message;
};

class ValidationTest : public testing::TestWithParam<Invalid> {};

TEST_P(ValidationTest, IsRefusedWithASentence) {
  const absl::Status status = ValidateSettings(Parse(GetParam().arguments));
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, ValidationTest,
    testing::Values(
        Invalid{{"--election-timeout=400"}, "at least five times"}, Invalid{{"--election-timeout=60000"}, "too long"},
        Invalid{{"--heartbeat-interval=0"}, "more than 0"},
        Invalid{{"--listen-client-urls=http://127.0.0.1:1"}, "--advertise-client-urls is required"},
        Invalid{{"--listen-client-urls=http://example.org:1", "--advertise-client-urls=http://a:1"}, "example.org"},
        Invalid{{"--listen-client-urls=https://127.0.0.1:1", "--advertise-client-urls=http://a:1"}, "TLS"},
        Invalid{{"--listen-metrics-urls=https://127.0.0.1:1"}, "TLS"},
        Invalid{{"--initial-cluster=a=http://localhost:2380"}, "couldn't find local name"},
        Invalid{{"--initial-cluster=default=http://localhost:2380,b=http://b:2380"}, "several members"},
        Invalid{{"--initial-cluster=default=http://other:2380"}, "does not match"},
        Invalid{{"--auto-compaction-mode=daily"}, "unknown auto-compaction-mode"},
        Invalid{{"--auto-compaction-retention=often"}, "often"}, Invalid{{"--auto-compaction-retention=-1"}, "-1"},
        Invalid{{"--auto-compaction-retention=-5m"}, "negative"},
        Invalid{{"--auto-compaction-retention=99999999"}, "too many hours"}, Invalid{{"--log-level=loud"}, "loud"},
        Invalid{{"--watch-progress-notify-interval=5ms"}, "too short"}));

TEST(ValidationTest, TheDefaultsAreValid) { EXPECT_TRUE(ValidateSettings(Parse({})).ok()); }

TEST(ValidationTest, ToolsCommandLinesAreValid) {
  EXPECT_TRUE(
      ValidateSettings(Parse({"--data-dir", "/d", "--listen-client-urls", "unix:///d/etcd.sock",
                              "--advertise-client-urls", "http://127.0.0.111:0", "--listen-peer-urls",
                              "http://127.0.0.1:0", "-log-level", "warn", "--quota-backend-bytes", "8589934592"}))
          .ok());
  EXPECT_TRUE(ValidateSettings(Parse({"--name=node0", "--initial-advertise-peer-urls=http://127.0.0.1:1",
                                      "--initial-cluster=node0=http://127.0.0.1:1"}))
                  .ok());
}

}  // namespace
}  // namespace regent::server
