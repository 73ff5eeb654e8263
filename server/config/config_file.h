// The configuration file of --config-file, YAML or JSON, with etcd's rules: keys are the names of flags, unknown keys
// are ignored, a value has exactly the type of its flag, durations are whole nanoseconds, lists of URLs are one text
// with commas. Nested: client-transport-security, peer-transport-security, socket-options, discovery-config.
#pragma once

#include <string>
#include <string_view>

#include "server/config/flags.h"

namespace regent::server {

inline constexpr size_t kConfigFileBytesMax = 1 << 20;

// Reads and parses the file.
FlagsOrError ParseConfigFile(const std::string& path);

// `path` is for messages, which name the line as well.
FlagsOrError ParseConfigText(const std::string& path, std::string_view text);

}  // namespace regent::server
