// Durations as etcd's flags write them (Go's format): "300ms", "1.5h", "2h45m", "0".
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace regent::server {

absl::StatusOr<std::chrono::nanoseconds> ParseDuration(std::string_view text);

// The shortest form of the same format: "5s", "2h0m0s".
std::string FormatDuration(std::chrono::nanoseconds duration);

}  // namespace regent::server
