// Readable one-line forms of messages, outputs and cores, for logs, golden files and failures.
#pragma once

#include <string>

#include "raft/core.h"
#include "raft/message.h"
#include "raft/output.h"
#include "raft/types.h"

namespace regent::raft {

const char* RoleName(Role role);
std::string Describe(const Entry& entry);                  // 2/5 "data"    (term/index)
std::string Describe(const Configuration& configuration);  // voters=(1 2 3) outgoing=(1 2 4) learners=(5)
std::string Describe(const PlacedConfiguration& placed);   // {voters=(1 2)}@7
std::string Describe(const Message& message);              // 1->2 term=3 Append prev=2/5 commit=4 [3/6 "x"]
std::string Describe(const Output& output);                // one line for each part that is not empty
std::string Describe(const Core& core);  // node 1: leader term=3 vote=1 commit=4 last=3/6 persisted=5 applied=4

}  // namespace regent::raft
