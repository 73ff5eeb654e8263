// Runs every script of tests/raft/golden and compares what it prints. To rewrite them after a wanted change, and to
// read the difference before committing it: REGENT_REWRITE=1 build/dev/tests/raft/raft_tests --gtest_filter='Golden*'
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/raft/script.h"

namespace regent::raft {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> Scripts() {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(REGENT_RAFT_GOLDEN)) {
    if (file.path().extension() == ".txt") names.push_back(file.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, PrintsWhatTheFileSays) {
  const std::string path = std::string(REGENT_RAFT_GOLDEN) + "/" + GetParam() + ".txt";
  const std::string expected = ReadFile(path);
  Script script;
  const std::string actual = script.Run(expected);
  EXPECT_FALSE(script.violated()) << actual;
  if (std::getenv("REGENT_REWRITE") != nullptr) {
    std::ofstream(path) << actual;
  } else {
    EXPECT_EQ(actual, expected) << path;
  }
}

// The scripts are checkers, too: with its rule broken each of these shows a violation.
struct Canary {
  const char* script;
  CoreMutants mutants;
};

class GoldenCanary : public testing::TestWithParam<Canary> {};

TEST_P(GoldenCanary, ViolatesAnInvariant) {
  Script script(GetParam().mutants);
  const std::string actual = script.Run(ReadFile(std::string(REGENT_RAFT_GOLDEN) + "/" + GetParam().script + ".txt"));
  EXPECT_TRUE(script.violated()) << actual;
}

INSTANTIATE_TEST_SUITE_P(Mutants, GoldenCanary,
                         testing::Values(Canary{"figure-8", {.commit_earlier_terms_by_count = true}},
                                         Canary{"aba-race", {.persisted_without_term_check = true}},
                                         Canary{"election-single", {.count_own_unpersisted_entries = true}},
                                         Canary{"election-basic", {.acknowledge_before_persist = true}},
                                         Canary{"partial-persistence", {.apply_before_persist = true}},
                                         Canary{"snapshot-over-longer-log", {.snapshot_keeps_log = true}},
                                         Canary{"snapshot-configuration", {.snapshot_keeps_configuration = true}},
                                         Canary{"change-truncated", {.keep_truncated_configuration = true}},
                                         Canary{"change-grow", {.change_without_joint = true}}),
                         [](const auto& canary) {
                           std::string name = canary.param.script;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(GoldenScripts, AreAllThere) { EXPECT_GE(Scripts().size(), 12u); }

INSTANTIATE_TEST_SUITE_P(Scripts, Golden, testing::ValuesIn(Scripts()), [](const auto& script) {
  std::string name = script.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace regent::raft
