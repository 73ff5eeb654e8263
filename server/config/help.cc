#include "server/config/help.h"

#include <vector>

#include "server/config/feature_gates.h"
#include "server/config/option_value.h"
#include "server/config/options.h"

namespace regent::server {
namespace {

std::vector<std::string_view> Groups() {
  std::vector<std::string_view> groups;
  for (const Option& option : Options()) {
    if (groups.empty() || groups.back() != option.group) groups.push_back(option.group);
  }
  return groups;
}

std::string State(const Option& option) {
  switch (option.support) {
    case Option::Support::kActive:
      return "";
    case Option::Support::kNotActive:
      return option.why.empty() ? "No effect yet." : "No effect: " + std::string(option.why) + ".";
    case Option::Support::kRefused:
      return "Refused: " + std::string(option.why) + ".";
  }
  return "";
}

std::string Default(const Option& option) { return FormatValue(option, Settings()); }

void AppendOption(const Option& option, std::string& text) {
  text += "  --" + std::string(option.name) + " '" + Default(option) + "'\n    " + std::string(option.help) + "\n";
  if (const std::string state = State(option); !state.empty()) text += "    " + state + "\n";
  if (option.name != "feature-gates") return;
  for (const FeatureGate& gate : KnownFeatureGates()) {
    text += "    " + std::string(gate.name) + "=true|false (" + std::string(gate.stage) +
            " - default=" + (gate.by_default ? "true" : "false") + ")\n";
  }
}

// A text within a cell of a table.
std::string Cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|' || c == '*' || c == '<') cell += '\\';
    cell += c;
  }
  return cell;
}

std::string Code(std::string_view text) { return text.empty() ? "" : "`" + std::string(text) + "`"; }

std::string Names(char separator) {
  std::string names;
  for (const Option& option : Options()) names += "--" + std::string(option.name) + separator;
  names.pop_back();
  return names;
}

// Within single quotes of a shell, and of zsh's specifications.
std::string Quoted(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (c == '\'') quoted += "'\\'";
    if (c == '[' || c == ']' || c == ':') quoted += '\\';
    quoted += c;
  }
  return quoted;
}

std::string Spaced(std::string_view choices) {
  std::string words(choices);
  for (char& c : words) c = c == ',' ? ' ' : c;
  return words;
}

std::string Joined(const std::vector<std::string_view>& words) {
  std::string joined;
  for (const std::string_view word : words) joined += (joined.empty() ? "" : " ") + std::string(word);
  return joined;
}

std::string BashScript(const SubCommand& command) {
  std::string script =
      "# Completion for bash: regent completion bash >/etc/bash_completion.d/regent\n"
      "_regent() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n";
  script += "  if [[ ${COMP_WORDS[1]} == " + std::string(command.name) + " && $COMP_CWORD -gt 1 ]]; then\n" +
            "    if ((COMP_CWORD == 2)); then\n      COMPREPLY=($(compgen -W '" + Joined(command.words) +
            "' -- \"$word\"))\n    elif [[ $word == -* ]]; then\n      COMPREPLY=($(compgen -W '" +
            Joined(command.flags) + "' -- \"$word\"))\n    else\n" +
            "      COMPREPLY=($(compgen -d -- \"$word\"))\n    fi\n    return\n  fi\n  case $before in\n";
  for (const Option& option : Options()) {
    if (option.choices.empty()) continue;
    script += "    --" + std::string(option.name) + ") COMPREPLY=($(compgen -W '" + Spaced(option.choices) +
              "' -- \"$word\")); return ;;\n";
  }
  return script +
         "    --*-dir | --*-file | --log-outputs) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n"
         "  esac\n"
         "  COMPREPLY=($(compgen -W '" +
         Names(' ') + " --help " + std::string(command.name) +
         "' -- \"$word\"))\n"
         "}\n"
         "complete -F _regent regent\n";
}

std::string ZshScript(const SubCommand& command) {
  std::string script = "#compdef regent\n# Completion for zsh: regent completion zsh >\"${fpath[1]}/_regent\"\n";
  script += "if [[ $words[2] == " + std::string(command.name) + " ]] && ((CURRENT > 2)); then\n" +
            "  if ((CURRENT == 3)); then\n    compadd " + Joined(command.words) + "\n" +
            "  elif [[ $words[CURRENT] == -* ]]; then\n    compadd -- " + Joined(command.flags) + "\n" +
            "  else\n    _files -/\n  fi\n  return\nfi\n_arguments \\\n" + "  '1:command:(" +
            std::string(command.name) + ")' \\\n";
  for (const Option& option : Options()) {
    script += "  '--" + std::string(option.name) + "[" + Quoted(option.help) + "]";
    if (!IsSwitch(option)) {
      const bool is_path = option.name.ends_with("-file") || option.name.ends_with("-dir");
      script += ":value:" +
                (option.choices.empty() ? std::string(is_path ? "_files" : "") : "(" + Spaced(option.choices) + ")");
    }
    script += "' \\\n";
  }
  return script + "  '--help[Print the options.]'\n";
}

std::string FishScript(const SubCommand& command) {
  std::string script = "# Completion for fish: regent completion fish >~/.config/fish/completions/regent.fish\n";
  for (const Option& option : Options()) {
    std::string help;
    for (const char c : option.help) help += c == '\'' ? "\\'" : std::string(1, c);
    script += "complete -c regent -l " + std::string(option.name) + " -d '" + help + "'";
    if (!IsSwitch(option)) script += " -r";
    if (!option.choices.empty()) script += " -f -a '" + Spaced(option.choices) + "'";
    script += "\n";
  }
  const std::string name(command.name);
  const std::string within = "complete -c regent -n '__fish_seen_subcommand_from " + name + "'";
  script += "complete -c regent -n __fish_use_subcommand -f -a " + name + " -d '" + std::string(command.help) + "'\n" +
            within + " -a '" + Joined(command.words) + "'\n";
  for (const std::string_view flag : command.flags) script += within + " -l " + std::string(flag.substr(2)) + "\n";
  return script + "complete -c regent -l help -d 'Print the options.'\n";
}

}  // namespace

std::string UsageText() {
  return "Usage:\n"
         "\n"
         "  regent [flags]\n"
         "    Start a server (also when started under the name etcd).\n"
         "\n"
         "  regent --version\n"
         "    Print the version.\n"
         "\n"
         "  regent -h | --help\n"
         "    Print the flags.\n"
         "\n"
         "  regent --config-file FILE\n"
         "    Take the settings from a file, and all of them: other flags and variables are ignored then.\n"
         "\n"
         "  regent inspect log|store DIR\n"
         "    Look into the data directory of a stopped node; regent inspect --help says more.\n"
         "\n"
         "  regent completion bash|zsh|fish\n"
         "    Print a completion script for the shell.\n"
         "\n"
         "Every flag can be given as a variable: --data-dir as ETCD_DATA_DIR. Both at once is an error.\n"
         "Lists are comma-separated; durations are written 300ms, 5s, 1h30m.\n";
}

std::string HelpText() {
  std::string text;
  for (const std::string_view group : Groups()) {
    text += "\n" + std::string(group) + ":\n";
    for (const Option& option : Options()) {
      if (option.group == group) AppendOption(option, text);
    }
  }
  return text + "\n";
}

std::string MarkdownPage() {
  std::string page =
      "# Flags\n"
      "\n"
      "Generated from the options table by `regent --help-markdown`; a test compares.\n"
      "\n"
      "Every flag of etcd 3.7 is known. One that works has no remark below. One *without effect* is accepted, and a "
      "log "
      "line says why\nit has none, if its value is not the default. One that is *refused* would change what is safe "
      "and "
      "is not there yet: the server\nsays so and does not start, unless the value is the default.\n"
      "\n"
      "A flag is written `--name=value`, `--name value` or, for a switch, `--name`; as a variable `ETCD_NAME=value`, "
      "with "
      "underscores.\nIn the file of `--config-file` (YAML or JSON) the names are keys, durations are nanoseconds, and "
      "all "
      "other flags and variables\nare ignored.\n";
  for (const std::string_view group : Groups()) {
    page += "\n## " + std::string(group) + "\n\n| Flag | Default | Meaning |\n|---|---|---|\n";
    for (const Option& option : Options()) {
      if (option.group != group) continue;
      const std::string state = State(option);
      page += "| `--" + std::string(option.name) + "` | " + Code(Default(option)) + " | " + Cell(option.help) +
              (state.empty() ? "" : " *" + Cell(state) + "*") + " |\n";
    }
  }
  page += "\n## Feature gates\n\n| Gate | Stage | Default | Effect of another value |\n|---|---|---|---|\n";
  for (const FeatureGate& gate : KnownFeatureGates()) {
    page += "| `" + std::string(gate.name) + "` | " + std::string(gate.stage) + " | " +
            (gate.by_default ? "true" : "false") + " | none: " + std::string(gate.why_without_effect) + " |\n";
  }
  return page;
}

std::optional<std::string> CompletionScript(std::string_view shell, const SubCommand& command) {
  if (shell == "bash") return BashScript(command);
  if (shell == "zsh") return ZshScript(command);
  if (shell == "fish") return FishScript(command);
  return std::nullopt;
}

}  // namespace regent::server
