// The versions that the server gives out.
#pragma once

#include <string>
#include <string_view>

namespace regent::server {

inline constexpr std::string_view kRegentVersion = "0.1.0";
// The etcd whose contract is kept; clients decide by these what they may use.
inline constexpr std::string_view kEtcdVersion = "3.7.3";
inline constexpr std::string_view kClusterVersion = "3.7.0";
inline constexpr std::string_view kStorageVersion = "3.7.0";

// The text of --version: etcd's four lines when the program was started under the name etcd, and in any case a first
// line whose third word is a version, because tools cut it out.
std::string VersionText(std::string_view program);

}  // namespace regent::server
