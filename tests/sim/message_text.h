// A message between members as a line for people: "m1 -> m3  append, term 4, behind 17/3, 2 entries, commit 17".
#pragma once

#include <string>

#include "raft/message.h"

namespace regent::sim {

std::string Describe(const raft::Message& message);

}  // namespace regent::sim
