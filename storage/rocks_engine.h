// The engine on RocksDB: one column family, no write-ahead log of its own (the Raft log is the log), memory within one
// budget, and the end of the process on the first background error: the log is replayed at the next start.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "storage/engine.h"

namespace rocksdb {
class Env;
}

namespace regent::storage {

// A bug that the tests plant to see that they find it; kNone everywhere else.
enum class RocksMutant : uint8_t {
  kNone,
  kBlocksUnchecked,  // what is read from a table file is believed without its checksum
};

// A value of at least this size lies in a file of its own kind (.blob), which no compaction rewrites for its
// neighbours.
inline constexpr uint64_t kBlobBytesMin = 1024;

struct RocksOptions {
  uint64_t memory_bytes = 256 << 20;  // block cache, and memtables inside it: an eighth for each, 64 KiB at least
  // At most, of flushes and compactions together, which take no more than they need: the log's sync shares the disk.
  uint64_t flush_bytes_per_second = 128 << 20;
  uint32_t background_threads = 2;
  bool unsafe_no_sync = false;  // no file of the store is ever synced: for tests whose data nobody will miss
  // Files and threads: the system's unless a test brings its own, which must outlive the engine.
  rocksdb::Env* environment = nullptr;
  bool options_file_may_fail = false;  // a test's environment may leave out the file of RocksDB's own options
  RocksMutant mutant = RocksMutant::kNone;
};

// Creates the store when `directory` (whose parent exists) is empty. `generation` tells it from the ones before it.
// Closing does not flush: an engine that is dropped leaves what a crash leaves.
absl::StatusOr<std::shared_ptr<Engine>> OpenRocksEngine(const std::string& directory, uint64_t generation,
                                                        const RocksOptions& options);

}  // namespace regent::storage
