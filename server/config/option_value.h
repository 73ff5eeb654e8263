// The text of one value to its place in the settings, and back.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/config/options.h"

namespace regent::server {

// Puts the text of one value in its place. An error has etcd's words, without the name: "parse error".
absl::Status SetValue(const Option& option, std::string_view text, Settings& settings);

// The option's value in `settings` as one would write it on the command line; of an unread option its default.
std::string FormatValue(const Option& option, const Settings& settings);

// `text`, a valid value, as FormatValue would write it.
std::string NormalValue(const Option& option, std::string_view text, const Settings& settings);

}  // namespace regent::server
