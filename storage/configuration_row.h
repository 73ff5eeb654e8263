// The newest configuration entry that was applied, kept because the log may have released it.
//
//   row 'm' 'c' -> index:v term:v data
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "raft/types.h"

namespace regent::storage {

std::string EncodeConfigurationRow(const raft::Entry& entry);
std::optional<raft::Entry> ParseConfigurationRow(std::string_view value);  // nullopt: malformed

}  // namespace regent::storage
