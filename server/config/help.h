// Everything that tells a person about the options; all of it is derived from the table.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace regent::server {

// A command beside the server.
struct SubCommand {
  std::string_view name;
  std::string_view help;
  std::vector<std::string_view> words;  // one of them follows
  std::vector<std::string_view> flags;  // then these, and a directory
};

// How the program is called, a few lines.
std::string UsageText();

// The options in their groups, with defaults.
std::string HelpText();

// docs/flags.md.
std::string MarkdownPage();

// A completion script for "bash", "zsh" or "fish"; nullopt for any other shell.
std::optional<std::string> CompletionScript(std::string_view shell, const SubCommand& command);

}  // namespace regent::server
