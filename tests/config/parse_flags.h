// What tests of the configuration share: parsing that must succeed, parsing that must fail.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "server/config/flags.h"

namespace regent::server {

using Environment = std::map<std::string, std::string>;

inline ParsedFlags Accepted(const FlagsOrError& parsed) {
  if (const auto* error = std::get_if<UsageError>(&parsed)) ADD_FAILURE() << error->message;
  return std::holds_alternative<ParsedFlags>(parsed) ? std::get<ParsedFlags>(parsed) : ParsedFlags();
}

inline UsageError Refused(const FlagsOrError& parsed) {
  EXPECT_TRUE(std::holds_alternative<UsageError>(parsed));
  return std::holds_alternative<UsageError>(parsed) ? std::get<UsageError>(parsed) : UsageError();
}

inline ParsedFlags Parse(const std::vector<std::string>& arguments, const Environment& environment = {}) {
  return Accepted(ParseFlags(arguments, environment));
}

inline UsageError Refusal(const std::vector<std::string>& arguments, const Environment& environment = {}) {
  return Refused(ParseFlags(arguments, environment));
}

}  // namespace regent::server
