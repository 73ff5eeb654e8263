// Engines for the model test: what is durable outlives them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "storage/engine.h"
#include "tests/model/random.h"

namespace regent::model {

class Disk {
 public:
  virtual ~Disk() = default;
  // The engine on what is durable. One at a time.
  virtual std::shared_ptr<storage::Engine> Open() = 0;
  // Called while the engine still stands: some prefix of what is not durable becomes durable, the rest is lost when the
  // engine goes.
  virtual void Crash(Random& random) = 0;
};

std::unique_ptr<Disk> MakeMemoryDisk();
// In a new folder that is removed with the disk. Null when this build has no RocksDB. As nobody can stop it in the
// middle, its engine flushes after one in so many batches, inside large entries too.
std::unique_ptr<Disk> MakeRocksDisk(uint64_t seed);

}  // namespace regent::model
