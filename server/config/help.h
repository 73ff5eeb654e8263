// Everything that tells a person about the options; all of it is derived from the table.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace regent::server {

// How the program is called, a few lines.
std::string UsageText();

// The options in their groups, with defaults.
std::string HelpText();

// docs/flags.md.
std::string MarkdownPage();

// A completion script for "bash", "zsh" or "fish"; nullopt for any other shell.
std::optional<std::string> CompletionScript(std::string_view shell);

}  // namespace regent::server
