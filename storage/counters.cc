#include "storage/counters.h"

#include "api/contract/wire.h"
#include "glog/logging.h"
#include "storage/row_reader.h"

namespace regent::storage {
namespace {

constexpr uint8_t kFormat = 1;

}  // namespace

std::string EncodeCounters(const Counters& counters) {
  std::string row(1, static_cast<char>(kFormat));
  for (const uint64_t number :
       {counters.applied_index, counters.applied_term, static_cast<uint64_t>(counters.revision),
        static_cast<uint64_t>(counters.compacted + 1), static_cast<uint64_t>(counters.size),
        static_cast<uint64_t>(counters.dead), static_cast<uint64_t>(counters.dead_released), counters.digest}) {
    api::AppendVarint(row, number);
  }
  return row;
}

std::optional<Counters> ParseCounters(std::string_view row) {
  RowReader reader(row);
  if (reader.Byte() != kFormat) return std::nullopt;
  Counters counters;
  counters.applied_index = reader.Varint();
  counters.applied_term = reader.Varint();
  counters.revision = reader.Int64();
  counters.compacted = reader.Int64() - 1;
  counters.size = reader.Int64();
  counters.dead = reader.Int64();
  counters.dead_released = reader.Int64();
  counters.digest = reader.Varint();
  if (reader.malformed()) return std::nullopt;
  return counters;
}

Counters DecodeCounters(std::string_view row) {
  const std::optional<Counters> counters = ParseCounters(row);
  CHECK(counters.has_value()) << "the store's counters are damaged or of an unknown format";
  return *counters;
}

uint64_t ChainDigest(uint64_t digest, uint64_t number) {
  digest = (digest ^ number) * 0x9e3779b97f4a7c15ULL;
  digest ^= digest >> 32;
  digest *= 0xd6e8feb86659fd93ULL;
  return digest ^ digest >> 29;
}

uint64_t ChainDigest(uint64_t digest, std::string_view bytes) {
  digest = ChainDigest(digest, bytes.size());
  while (!bytes.empty()) {
    uint64_t word = 0;
    const size_t size = bytes.size() < 8 ? bytes.size() : 8;
    for (size_t i = 0; i < size; ++i) word |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    digest = ChainDigest(digest, word);
    bytes.remove_prefix(size);
  }
  return digest;
}

}  // namespace regent::storage
