#include "server/config/help.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "server/config/options.h"

namespace regent::server {
namespace {

using testing::HasSubstr;

TEST(HelpTest, NamesEveryOptionOnALineOfItsOwn) {
  const std::string help = HelpText();
  for (const Option& option : Options()) EXPECT_THAT(help, HasSubstr("\n  --" + std::string(option.name) + " '"));
}

// Where an option has no effect or is refused, the reason stands beside it; only those whose part is being built have
// none.
TEST(HelpTest, SaysWhyAnOptionDoesNothing) {
  for (const Option& option : Options()) {
    if (option.support == Option::Support::kRefused) {
      EXPECT_FALSE(option.why.empty()) << option.name;
    } else if (option.support == Option::Support::kActive) {
      EXPECT_TRUE(option.why.empty()) << option.name;
    }
  }
}

TEST(HelpTest, OptionsOfAGroupStandTogether) {
  std::vector<std::string_view> groups;
  for (const Option& option : Options()) {
    if (!groups.empty() && groups.back() == option.group) continue;
    EXPECT_EQ(std::count(groups.begin(), groups.end(), option.group), 0) << option.name;
    groups.push_back(option.group);
  }
}

TEST(HelpTest, EveryShellCompletesEveryOptionAndTheCommand) {
  const SubCommand kCommand{.name = "look", .words = {"here", "there"}, .flags = {"--deep"}};
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = CompletionScript(shell, kCommand).value_or("");
    for (const char* word : {"look", "here", "there", "deep"}) EXPECT_THAT(script, HasSubstr(word)) << shell;
    for (const Option& option : Options()) EXPECT_THAT(script, HasSubstr(std::string(option.name))) << shell;
  }
  EXPECT_FALSE(CompletionScript("tcsh", kCommand).has_value());
}

// The tests run in the root of the sources.
TEST(HelpTest, ThePageOfTheFlagsIsWhatTheTableSays) {
  std::ifstream file("docs/flags.md");
  ASSERT_TRUE(file) << "docs/flags.md is not there; the test runs in the root of the sources";
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(page == MarkdownPage()) << "docs/flags.md is stale: regent --help-markdown >docs/flags.md";
}

}  // namespace
}  // namespace regent::server
