// `regent inspect log|store DIR`: looks into the data directory of a node that is stopped, or a copy of one, and
// changes nothing in it. docs/inspect.md shows what it prints.
#pragma once

#include <string>
#include <vector>

namespace regent::server {

// The words behind `inspect`. Returns the exit code: 0; 1 for damage and for a directory that cannot be looked at; 2
// for wrong usage.
int RunInspect(const std::vector<std::string>& words);

}  // namespace regent::server
