// Term and vote on disk: two copies in two files of the log's folder, so that no single damage and no crash can take
// both. A vote that is forgotten can be given twice, and two leaders are elected in one term.
//
//   copy := at 0   magic       u64   "RegntVot"           512 bytes, the rest zero
//           at 8   version     u32   1
//           at 12  checksum    u32   CRC-32C of bytes [0,12) and [16,64)
//           at 16  generation  u64   1 more with each save
//           at 24  cluster     u64   the ids of the owner
//           at 32  node        u64
//           at 40  term        u64
//           at 48  vote        u64
//           at 56  zero        u64
//
// A save writes the first copy, syncs it, then writes the second and syncs it: at every moment one of them is whole and
// is the last acknowledged state or the one being saved. The valid copy of the higher generation counts. After a save
// that found no space the next one begins with the copy that was not completed.
//
// Owner: the log loop.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "raft/types.h"
#include "storage/files.h"
#include "storage/log_store.h"

namespace regent::storage {

class HardStateFiles {
 public:
  static bool IsName(const std::string& name);

  HardStateFiles(Files& files, std::string directory, LogIdentity identity, LogMutant mutant);

  // Reads both copies and changes nothing. With a log there must be a good one, else DataLoss; without one, nullopt
  // says that creating them was not completed. FailedPrecondition when they belong to somebody else.
  enum class Log : uint8_t { kMissing, kPresent };
  absl::StatusOr<std::optional<raft::HardState>> Load(Log log);

  // After Load, before the state counts: syncs both copies, rewrites one that is damaged or behind. Creates them when
  // there are none; the caller syncs the folder.
  [[nodiscard]] absl::Status Repair();

  // ResourceExhausted: the old state or this one is on disk, and saving may be repeated.
  [[nodiscard]] absl::Status Save(const raft::HardState& state);

  // What Load found damaged, in words; empty when nothing.
  const std::string& damage() const { return damage_; }

 private:
  static constexpr size_t kCopies = 2;

  struct Copy {
    std::unique_ptr<File> file;  // null while there is none
    uint64_t generation = 0;     // 0: not valid, or not known to be
  };

  absl::StatusOr<std::optional<raft::HardState>> LoadCopy(size_t which, Copy* copy, std::string* damage);
  absl::Status WriteCopy(size_t which, uint64_t generation);
  std::string PathOf(size_t which) const;

  Files& files_;
  const std::string directory_;
  const LogIdentity identity_;
  const LogMutant mutant_;
  std::array<Copy, kCopies> copies_;
  uint64_t generation_ = 0;
  raft::HardState state_;
  std::string damage_;
};

}  // namespace regent::storage
