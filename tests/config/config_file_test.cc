#include "server/config/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "server/config/validate.h"
#include "tests/config/parse_flags.h"

namespace regent::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Settings File(const std::string& text) { return Accepted(ParseConfigText("c.yml", text)).settings; }
std::string Complaint(const std::string& text) { return Refused(ParseConfigText("c.yml", text)).message; }

TEST(ConfigFileTest, KeysAreNamesOfFlagsInYamlAndInJson) {
  const std::string yaml =
      "name: node\nheartbeat-interval: 500\nelection-timeout: 5000\nwatch-progress-notify-interval: 5000000000\n"
      "listen-client-urls: http://127.0.0.1:1,http://127.0.0.1:2\npre-vote: no\nlog-outputs: [stdout, /x]\n"
      "socket-options: {reuse-port: true}\nfeature-gates: InitialCorruptCheck=true\nmax-txn-ops: 0x10\n";
  const std::string json =
      R"({"name":"node","heartbeat-interval":500,"election-timeout":5e3,"watch-progress-notify-interval":5000000000,
          "listen-client-urls":"http://127.0.0.1:1,http://127.0.0.1:2","pre-vote":false,"log-outputs":["stdout","/x"],
          "socket-options":{"reuse-port":true},"feature-gates":"InitialCorruptCheck=true","max-txn-ops":16})";
  for (const std::string& text : {yaml, json}) {
    const Settings settings = File(text);
    EXPECT_EQ(settings.name, "node");
    EXPECT_EQ(settings.heartbeat_interval, std::chrono::milliseconds(500));
    EXPECT_EQ(settings.election_timeout, std::chrono::milliseconds(5000));
    EXPECT_EQ(settings.watch_progress_notify_interval, std::chrono::seconds(5));
    EXPECT_EQ(settings.listen_client_urls.size(), 2u);
    EXPECT_FALSE(settings.pre_vote);
    EXPECT_THAT(settings.log_outputs, ElementsAre("/x", "stdout"));
    EXPECT_TRUE(settings.socket_reuse_port);
    EXPECT_TRUE(settings.feature_gates.enabled("InitialCorruptCheck"));
    EXPECT_EQ(settings.max_txn_ops, 16u);
    EXPECT_EQ(settings.config_file, "c.yml");
  }
}

// Keys of etcd's own example that stand for nothing any more, flags that are no keys, and what nobody knows.
TEST(ConfigFileTest, UnknownKeysAreIgnored) {
  const ParsedFlags flags = Accepted(ParseConfigText(
      "c.yml",
      "discovery:\nproxy: 'off'\nforce-new-cluster: false\nexperimental-x: {a: [1]}\ncert-file: /x\nversion: true\n"
      "config-file: /y\nclient-transport-security:\n  unknown: 1\n  auto-tls: false\n"));
  EXPECT_FALSE(flags.settings.version);
  EXPECT_TRUE(ValidateSettings(flags).ok());
}

TEST(ConfigFileTest, AnEmptyFileAndEmptyValuesMeanTheDefaults) {
  for (const char* text : {"", "null", "# nothing",
                           "name:\nelection-timeout: ~\ninitial-cluster-state: ''\ncors: ''\n"
                           "listen-client-urls: ''\nlog-outputs: []\n"}) {
    const Settings settings = File(text), defaults;
    EXPECT_EQ(settings.name, defaults.name);
    EXPECT_EQ(settings.election_timeout, defaults.election_timeout);
    EXPECT_EQ(settings.initial_cluster_state, "new");
    EXPECT_THAT(settings.cors, ElementsAre("*"));
    EXPECT_EQ(settings.listen_client_urls, defaults.listen_client_urls);
    EXPECT_THAT(settings.log_outputs, ElementsAre("default"));
  }
}

struct Bad {
  std::string text;
  std::string message;
};

class BadFileTest : public testing::TestWithParam<Bad> {};

TEST_P(BadFileTest, IsRefusedWithFileAndLine) {
  EXPECT_THAT(Complaint(GetParam().text), HasSubstr("c.yml line "));
  EXPECT_THAT(Complaint(GetParam().text), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadFileTest,
    testing::Values(Bad{"name: a\nname: [b]", "line 2: name must be a string, not a list"},
                    Bad{"name: 5", "not a number \"5\""}, Bad{"name: yes", "not a boolean"},
                    Bad{"[]", "must hold a map"}, Bad{"foo", "must hold a map"}, Bad{"a: b: c", "line 1: "},
                    Bad{"\nx: \"open", "line 2: "}, Bad{"? [a]\n: b", "a key must be a name"}, Bad{"a: *x", "line 1: "},
                    Bad{"heartbeat-interval: 100ms", "must be a whole number"},
                    Bad{"heartbeat-interval: '100'", "must be a whole number"},
                    Bad{"heartbeat-interval: 1.5", "must be a whole number"},
                    Bad{"heartbeat-interval: -1", "must be a whole number"},
                    Bad{"max-concurrent-streams: 4294967296", "in its range"},
                    Bad{"watch-progress-notify-interval: 5s", "whole nanoseconds"},
                    Bad{"strict-reconfig-check: 1", "true or false"},
                    Bad{"strict-reconfig-check: 'false'", "true or false"},
                    Bad{"log-outputs: stderr", "a list of strings"}, Bad{"log-outputs: [1]", "a list of strings"},
                    Bad{"listen-client-urls: [http://127.0.0.1:0]", "a string"},
                    Bad{"listen-client-urls: x", "unexpected error setting up listen-client-urls: URL scheme"},
                    Bad{"feature-gates: Foo=true", "unrecognized feature gate: Foo"},
                    Bad{"initial-cluster-state: old", "unexpected clusterState \"old\""},
                    Bad{"peer-transport-security:", "invalid peer-transport-security"},
                    Bad{"socket-options: 5", "invalid socket-options"}));

TEST(ConfigFileTest, RefusedAndIneffectiveSettingsAreFoundInSections) {
  const ParsedFlags tls = Accepted(ParseConfigText("c.yml", "client-transport-security:\n  client-cert-auth: true\n"));
  EXPECT_THAT(std::string(ValidateSettings(tls).message()), HasSubstr("client-cert-auth in c.yml is not supported"));
  const ParsedFlags discovery = Accepted(ParseConfigText("c.yml", "discovery-config: {endpoints: [a], token: t}"));
  EXPECT_THAT(std::string(ValidateSettings(discovery).message()), HasSubstr("discovery"));
  const ParsedFlags tuning = Accepted(ParseConfigText("c.yml", "max-wals: 3\nmax-snapshots: 5\n"));
  EXPECT_EQ(FindWithoutEffect(tuning).size(), 1u);
}

// With a file, advertised URLs are not asked for: the default counts.
TEST(ConfigFileTest, ListenersMayStandWithoutAdvertisedUrls) {
  EXPECT_TRUE(ValidateSettings(Accepted(ParseConfigText("c.yml", "listen-client-urls: http://127.0.0.1:0"))).ok());
}

TEST(ConfigFileTest, AFileThatCannotBeReadIsNamed) {
  EXPECT_EQ(Refused(ParseConfigFile("/no/such.yml")).message, "open /no/such.yml: no such file or directory");
  EXPECT_THAT(Refused(ParseConfigFile(testing::TempDir())).message, HasSubstr("open "));
  EXPECT_THAT(Refused(ParseConfigFile("/dev/zero")).message, HasSubstr("larger than"));
}

TEST(ConfigFileTest, DeepNestingIsRefusedNotFollowed) {
  EXPECT_THAT(Complaint("a: " + std::string(100'000, '[')), HasSubstr("c.yml line"));
}

}  // namespace
}  // namespace regent::server
