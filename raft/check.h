// RAFT_CHECK(condition, values...): a broken invariant stops the process and prints the values. Always on: a core that
// goes on after a broken promise (of the disk, of the owner, of this code) may lose acknowledged data.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace regent::raft {

// Prints place, condition and values to standard error, then aborts.
[[noreturn]] void Broken(const char* file, int line, const char* condition, const char* names,
                         std::initializer_list<uint64_t> values);

}  // namespace regent::raft

#define RAFT_CHECK(condition, ...)                                                            \
  do {                                                                                        \
    if (!(condition)) [[unlikely]]                                                            \
      ::regent::raft::Broken(__FILE__, __LINE__, #condition, "" #__VA_ARGS__, {__VA_ARGS__}); \
  } while (false)
