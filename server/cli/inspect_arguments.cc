#include "server/cli/inspect_arguments.h"

#include <string_view>

namespace regent::server {
namespace {

ParsedInspect Refuse(std::string error) { return {.error = std::move(error)}; }

// The name of a flag, with one dash or two; empty when the word is none.
std::string_view FlagName(std::string_view word) {
  if (word.size() < 2 || word[0] != '-') return "";
  return word.substr(word[1] == '-' ? 2 : 1);
}

}  // namespace

ParsedInspect ParseInspect(const std::vector<std::string>& words) {
  InspectArguments arguments;
  std::vector<std::string> places;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view flag = FlagName(words[i]);
    const std::string_view name = flag.substr(0, flag.find('='));
    if (flag.empty()) {
      places.push_back(words[i]);
    } else if (flag == "help" || flag == "h") {
      return {.help = true};
    } else if (flag == "summary") {
      arguments.summary = true;
    } else if (flag == "json") {
      arguments.json = true;
    } else if (name == "wal-dir") {
      const bool joined = name.size() < flag.size();
      if (!joined && i + 1 == words.size()) return Refuse("--wal-dir needs a directory");
      arguments.wal_dir = joined ? std::string(flag.substr(name.size() + 1)) : words[++i];
    } else {
      return Refuse("there is no flag " + words[i]);
    }
  }
  if (places.empty() || (places[0] != "log" && places[0] != "store")) {
    return Refuse(places.empty() ? "what to look at is missing: log or store"
                                 : "there is no \"" + places[0] + "\" to look at: log or store");
  }
  if (places.size() == 1 || places[1].empty()) return Refuse("the data directory is missing");
  if (places.size() > 2) return Refuse("\"" + places[2] + "\" is one word too many");
  arguments.subject = places[0] == "log" ? InspectArguments::Subject::kLog : InspectArguments::Subject::kStore;
  arguments.data_dir = places[1];
  return {.arguments = std::move(arguments)};
}

std::string InspectHelp() {
  return "Usage:\n"
         "\n"
         "  regent inspect log DIR [--wal-dir DIR] [--summary [--json]]\n"
         "    Print the log, one JSON line an entry.\n"
         "\n"
         "  regent inspect store DIR [--wal-dir DIR] [--summary [--json]]\n"
         "    Print the rows of the store and its counters, one JSON line a row.\n"
         "\n"
         "DIR is the data directory of a node that is stopped, or a copy of one. Nothing in it is changed.\n"
         "\n"
         "  --wal-dir DIR   where the log is, if the node was started with --wal-dir\n"
         "  --summary       a table instead of the entries or rows\n"
         "  --json          the summary as one JSON object\n"
         "  --help          this text\n"
         "\n"
         "Damage, and a torn tail of the log, are told on the standard error, with file and offset.\n"
         "Exit code: 0, also with a torn tail, which harms nothing; 1 damage, or the directory cannot be looked at;\n"
         "2 wrong usage.\n";
}

SubCommand InspectCommand() {
  return {.name = "inspect",
          .help = "Look into the data directory of a stopped node.",
          .words = {"log", "store"},
          .flags = {"--wal-dir", "--summary", "--json", "--help"}};
}

}  // namespace regent::server
