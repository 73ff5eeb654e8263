// Finds the end of a JSON value, as strictly as RFC 8259 has it: what reads the value afterwards (the protobuf library)
// is more lenient than etcd.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"

namespace regent::server {

inline constexpr int kJsonDepthMax = 100;

// The first value of `text` with the blanks around it cut off; empty when there are only blanks. What follows the value
// is not looked at, as in etcd. InvalidArgument when it is no JSON, or is nested more deeply than kJsonDepthMax.
absl::StatusOr<std::string_view> FirstJsonValue(std::string_view text);

}  // namespace regent::server
