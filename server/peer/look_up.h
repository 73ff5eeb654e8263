// The addresses of a host by its name. Blocks: never on a loop that others wait for.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace regent::server {

// IP addresses as text, at least one. Unavailable: the name is not known, or nobody answers.
absl::StatusOr<std::vector<std::string>> LookUp(const std::string& host);

}  // namespace regent::server
