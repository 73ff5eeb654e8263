// The version of the program, and how it is printed.
#pragma once

#include <string>
#include <string_view>

namespace regent::server {

// Regent's own. What clients decide by is the version of the etcd whose contract is kept: api/contract/limits.h.
inline constexpr std::string_view kRegentVersion = "0.1.0";

// The text of --version: etcd's four lines when the program was started under the name etcd, and in any case a first
// line whose third word is a version, because tools cut it out.
std::string VersionText(std::string_view program);

}  // namespace regent::server
