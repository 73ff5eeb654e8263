// RocksDB's files on a disk behind the log's seam (storage/files.h), so that the log and the store lie on one disk that
// records, loses and fails; and RocksDB's background work on a thread that moves only when it is told to, so that the
// order of all calls to that disk follows from a seed.
//
// At any time one thread alone runs: the owner's, or the background thread while the owner waits in Step. The
// background thread stops before each change of the disk. So a crash can come, and other work can go on, between any
// two calls of a flush or a compaction.
//
// The owner must not call what waits for background work (a flush, a stalled write, the end of a database) but through
// RunBeside, or when nothing is left to do (Drain).
//
// Owner: the thread that made it. It must outlive the database.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "storage/files.h"

namespace rocksdb {
class Env;
}

namespace regent::testing {

// Bugs that the tests plant: syncs that are reported as done and are not.
struct DroppedSyncs {
  bool tables = false;
  bool manifest = false;
  bool folder = false;
};

struct RocksDiskOptions {
  DroppedSyncs dropped;
  // RocksDB writes its options into a file at every open, reads that back and compares, which takes longer than
  // everything else; nobody reads it later. Without the file it goes on as after a failed write of it.
  bool options_file = true;
};

class RocksDisk {
 public:
  enum class Job : uint8_t { kNone, kFlush, kCompaction };

  RocksDisk(storage::Files& files, RocksDiskOptions options);
  ~RocksDisk();

  rocksdb::Env* environment() const;

  // Background work is waiting or under way.
  bool busy() const;
  // What is under way: begun and not ended.
  Job job() const;

  // Background work goes on through its next change of the disk, or to its end.
  void Step();
  // All of it.
  void Drain();
  // Runs `call` on a thread of its own and background work with it, until both have ended. `between`: after each step.
  void RunBeside(const std::function<void()>& call, const std::function<void()>& between);

 private:
  class Worker;
  class FileSystem;
  class Environment;

  const std::unique_ptr<Worker> worker_;
  const std::unique_ptr<Environment> environment_;
};

}  // namespace regent::testing
