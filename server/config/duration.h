// Durations as etcd's flags write them (Go's format): "300ms", "1.5h", "2h45m", "0". DurationText writes them.
#pragma once

#include <chrono>
#include <string_view>

#include "absl/status/statusor.h"

namespace regent::server {

absl::StatusOr<std::chrono::nanoseconds> ParseDuration(std::string_view text);

}  // namespace regent::server
