#include "server/config/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/config/config_file.h"
#include "server/config/option_value.h"
#include "tests/config/parse_flags.h"

namespace regent::server {
namespace {

using testing::HasSubstr;

std::string Judge(const std::vector<std::string>& arguments, const Environment& environment = {}) {
  return std::string(ValidateSettings(Parse(arguments, environment)).message());
}

struct Invalid {
  std::vector<std::string> arguments;
  std::string message;
};

class ValidationTest : public testing::TestWithParam<Invalid> {};

TEST_P(ValidationTest, IsRefusedWithASentence) {
  EXPECT_THAT(Judge(GetParam().arguments), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, ValidationTest,
    testing::Values(
        Invalid{{"--election-timeout=400"},
                "--election-timeout[400ms] should be at least as 5 times as --heartbeat-interval[100ms]"},
        Invalid{{"--election-timeout=60000"}, "is too long, and should be set less than 50000ms"},
        Invalid{{"--heartbeat-interval=0"}, "--heartbeat-interval must be >0 (set to 0ms)"},
        Invalid{{"--listen-client-urls=http://127.0.0.1:1"}, "--advertise-client-urls is required"},
        Invalid{{"--listen-client-urls=http://example.org:1", "--advertise-client-urls=http://a:1"}, "example.org"},
        Invalid{{"--listen-client-urls=https://127.0.0.1:1", "--advertise-client-urls=http://a:1"}, "TLS"},
        Invalid{{"--listen-client-http-urls=http://example.org:1"}, "expected IP in URL for binding"},
        Invalid{{"--listen-client-urls=http://127.0.0.1:1", "--advertise-client-urls=http://a:1",
                 "--listen-client-http-urls=http://127.0.0.1:1"},
                "cannot bind both --listen-client-urls and --listen-client-http-urls on the same url"},
        Invalid{{"--listen-metrics-urls=https://127.0.0.1:1"}, "TLS"},
        Invalid{{"--listen-metrics-urls=http://127.0.0.1:70000"}, "listen tcp: address 70000: invalid port"},
        Invalid{{"--advertise-client-urls=http://:1"}, "unexpected empty host"},
        Invalid{{"--log-level=loud"}, "unrecognized level: \"loud\""},
        Invalid{{"--log-format=xml"}, "unknown log format"}, Invalid{{"--logger=capnslog"}, "removed"},
        Invalid{{"--logger=x"}, "unknown logger option \"x\""},
        Invalid{{"--log-outputs=default,stderr"}, "multi logoutput"},
        Invalid{{"--enable-log-rotation"}, "requires a single file path"},
        Invalid{{"--enable-log-rotation", "--log-outputs=/a,/b"}, "requires a single file path"},
        Invalid{{"--enable-log-rotation", "--log-outputs=/a", "--log-rotation-config-json={x"}, "improperly formatted"},
        Invalid{{"--feature-gates=LeaseCheckpointPersist=true"}, "requires enabling feature gate LeaseCheckpoint"},
        Invalid{{"--compact-hash-check-time=-1s"}, "--compact-hash-check-time must be >0 (set to -1s)"},
        Invalid{{"--auto-compaction-mode=daily"}, "unknown auto-compaction-mode"},
        Invalid{{"--auto-compaction-retention=often"}, "often"}, Invalid{{"--auto-compaction-retention=-1"}, "-1"},
        Invalid{{"--auto-compaction-retention=-5m"}, "negative"},
        Invalid{{"--auto-compaction-retention=99999999"}, "too many hours"},
        Invalid{{"--discovery-fallback=proxy"}, "v2 proxy is deprecated"}));

TEST(ValidationTest, TheDefaultsAreValid) {
  EXPECT_EQ(Judge({}), "");
  EXPECT_TRUE(ValidateBootstrap(Settings()).ok());
}

// A value that is not the default, of any form that a refused option has.
std::string RefusedValue(const Option& option) {
  if (!option.choices.empty()) return "proxy";
  if (IsSwitch(option)) return FormatValue(option, Settings()) == "true" ? "false" : "true";
  const auto* unread = std::get_if<Unread>(&option.target);
  return unread != nullptr && unread->form == Form::kDuration ? "17s" : "17";
}

TEST(ValidationTest, EveryRefusedOptionNamesItselfAsFlagAsVariableAndInAFile) {
  int refused = 0;
  for (const Option& option : Options()) {
    if (option.support != Option::Support::kRefused) continue;
    ++refused;
    const std::string name(option.name), value = RefusedValue(option), by_default = FormatValue(option, Settings());
    EXPECT_THAT(Judge({"--" + name + "=" + value}), HasSubstr("--" + name + " is not supported by this version"));
    EXPECT_THAT(Judge({}, {{EnvironmentName(name), value}}), HasSubstr(EnvironmentName(name) + " is not supported"));
    EXPECT_EQ(Judge({"--" + name + "=" + by_default}), "");
  }
  EXPECT_GT(refused, 30);
  const ParsedFlags file = Accepted(ParseConfigText("c.yml", "client-transport-security: {cert-file: /x}"));
  EXPECT_THAT(std::string(ValidateSettings(file).message()),
              HasSubstr("client-transport-security.cert-file in c.yml is not supported"));
}

TEST(ValidationTest, ToolsCommandLinesAreValid) {
  const std::vector<std::vector<std::string>> tools = {
      {"--data-dir", "/d", "--listen-client-urls", "unix:///d/etcd.sock", "--advertise-client-urls",
       "http://127.0.0.111:0", "--listen-peer-urls", "http://127.0.0.1:0", "-log-level", "warn",
       "--quota-backend-bytes", "8589934592"},
      {"--name=node0", "--initial-advertise-peer-urls=http://127.0.0.1:1",
       "--initial-cluster=node0=http://127.0.0.1:1"},
      {"--advertise-client-urls=http://10.0.0.1:2379", "--data-dir=/var/lib/etcd",
       "--feature-gates=InitialCorruptCheck=true", "--initial-advertise-peer-urls=http://10.0.0.1:2380",
       "--initial-cluster=m=http://10.0.0.1:2380", "--listen-client-urls=http://127.0.0.1:2379,http://10.0.0.1:2379",
       "--listen-metrics-urls=http://127.0.0.1:2381", "--listen-peer-urls=http://10.0.0.1:2380", "--name=m",
       "--snapshot-count=10000", "--watch-progress-notify-interval=5s"}};
  for (const std::vector<std::string>& arguments : tools) {
    EXPECT_EQ(Judge(arguments), "");
    EXPECT_EQ(std::string(ValidateBootstrap(Parse(arguments).settings).message()), "");
  }
}

TEST(ValidationTest, ACertificateThatAMemberMakesItselfIsValidForSomeYears) {
  EXPECT_EQ(Judge({"--peer-auto-tls", "--listen-peer-urls=https://127.0.0.1:0"}), "");
  EXPECT_EQ(Judge({"--peer-auto-tls", "--self-signed-cert-validity=1000"}), "");
  EXPECT_EQ(Judge({"--self-signed-cert-validity=0"}), "") << "nobody makes one";
  EXPECT_EQ(Judge({"--peer-auto-tls", "--self-signed-cert-validity=0"}),
            "selfSignedCertValidity is invalid,it should be greater than 0");
  EXPECT_EQ(Judge({"--peer-auto-tls", "--self-signed-cert-validity=1001"}),
            "--self-signed-cert-validity=1001 is too long: at most 1000 years");
  EXPECT_EQ(Judge({"--peer-auto-tls", "--peer-cert-file=/c", "--listen-peer-urls=https://127.0.0.1:0"}),
            "cannot listen on TLS for https://127.0.0.1:0: KeyFile and CertFile are not presented")
      << "half of a given certificate is no reason to make one";
}

struct Bootstrap {
  std::vector<std::string> arguments;
  std::string message;  // of the error; empty: none
};

class BootstrapTest : public testing::TestWithParam<Bootstrap> {};

TEST_P(BootstrapTest, IsJudgedAsEtcdDoes) {
  const std::string message(ValidateBootstrap(Parse(GetParam().arguments).settings).message());
  EXPECT_EQ(message.empty(), GetParam().message.empty()) << message;
  EXPECT_THAT(message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, BootstrapTest,
    testing::Values(
        Bootstrap{{"--name=a"}, ""}, Bootstrap{{"--name=a", "--initial-advertise-peer-urls=http://b:1"}, ""},
        Bootstrap{{"--name="}, "couldn't find local name \"\""},
        Bootstrap{{"--initial-cluster="}, "couldn't find local name \"default\""},
        Bootstrap{{"--initial-cluster=a=http://localhost:2380"}, "couldn't find local name \"default\""},
        Bootstrap{{"--initial-cluster=xx"}, "error setting up initial cluster: URL scheme must be"},
        Bootstrap{{"--initial-cluster=default=http://other:1"},
                  "--initial-cluster has default=http://other:1 but missing from "
                  "--initial-advertise-peer-urls=http://localhost:2380"},
        Bootstrap{{"--initial-advertise-peer-urls=http://localhost:2380,http://localhost:2381"},
                  "--initial-advertise-peer-urls has http://localhost:2381 but missing from --initial-cluster="},
        Bootstrap{{"--initial-cluster=default=http://localhost:2380,b=http://localhost:2380"}, "has duplicate url"},
        Bootstrap{{"--initial-cluster=default=http://localhost:2380,b=http://b:2380"}, ""},
        Bootstrap{{"--initial-cluster-state=existing"}, ""}));

}  // namespace
}  // namespace regent::server
