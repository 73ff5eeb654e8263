// The numbers of the state machine that a crash must bring back with the rows they belong to: one row, in every batch
// that ends an entry.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace regent::storage {

struct Counters {
  uint64_t applied_index = 0;
  uint64_t applied_term = 0;
  int64_t revision = 1;       // a fresh store is at 1; never derived from rows
  int64_t compacted = -1;     // -1: nothing was compacted
  int64_t size = 0;           // logical bytes: live versions and history above the compaction
  int64_t dead = 0;           // running sum of what became superfluous, over all events
  int64_t dead_released = 0;  // how much of it compactions took off the size
  uint64_t digest = 0;        // chained over the logical operations of all entries
};

// row = format:1 (1), then the fields above in their order as varints, compacted plus one.
std::string EncodeCounters(const Counters& counters);
std::optional<Counters> ParseCounters(std::string_view row);  // nullopt: malformed
Counters DecodeCounters(std::string_view row);                // a malformed row is a broken disk (CHECK)

// Chains `bytes` into a digest: 64 bits, the same on every machine. Not meant against an adversary.
uint64_t ChainDigest(uint64_t digest, std::string_view bytes);
uint64_t ChainDigest(uint64_t digest, uint64_t number);

}  // namespace regent::storage
