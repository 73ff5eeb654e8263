// The words behind `regent inspect`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/config/help.h"

namespace regent::server {

struct InspectArguments {
  enum class Subject { kLog, kStore };
  Subject subject = Subject::kLog;
  std::string data_dir;
  std::string wal_dir;  // empty: inside the data directory
  bool summary = false;
  bool json = false;
};

struct ParsedInspect {
  std::optional<InspectArguments> arguments;
  bool help = false;
  std::string error;  // when there is neither
};

ParsedInspect ParseInspect(const std::vector<std::string>& words);

std::string InspectHelp();

// For the shells' completions.
SubCommand InspectCommand();

}  // namespace regent::server
