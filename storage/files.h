// The disk seam of the log and of the small files beside it. Production runs PosixFiles; tests and the simulator run a
// disk in memory that forgets what was not synced, tears writes and fails on demand.
//
// Promises, which every implementation keeps and the callers rely on:
//   * WriteAt, Truncate and Allocate change what is read back at once; it is durable after a SyncData that returned OK.
//   * Creating, renaming and removing a name is durable after a SyncFolder of its folder. Rename is atomic: after a
//     crash either the old or the new state of both names is found.
//   * After a failed SyncData nothing is known of any write since the last good one; calling it again proves nothing.
//
// Errors: NotFound, AlreadyExists, ResourceExhausted (no space or quota left), FailedPrecondition (the lock is held by
// another process), Internal (everything else). The message names the operation, the path and the system's words.
//
// Owner: any loop; an object of a File or a Lock belongs to one loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace regent::storage {

// An open file; closed by the destructor, which does not sync.
class File {
 public:
  virtual ~File() = default;

  // Reads `size` bytes; fewer only at the end of the file. Returns how many were read.
  virtual absl::StatusOr<size_t> ReadAt(uint64_t offset, char* buffer, size_t size) = 0;

  // Writes all of `bytes`, extending the file when needed. After an error any part of them may have been written.
  [[nodiscard]] virtual absl::Status WriteAt(uint64_t offset, std::string_view bytes) = 0;

  // The data and the size of the file are durable when it returns OK (fdatasync).
  [[nodiscard]] virtual absl::Status SyncData() = 0;

  [[nodiscard]] virtual absl::Status Truncate(uint64_t size) = 0;

  // The file is at least `size` bytes long and has its space, without the zeroes being written (fallocate).
  [[nodiscard]] virtual absl::Status Allocate(uint64_t size) = 0;
  virtual absl::StatusOr<uint64_t> Size() = 0;
  virtual const std::string& path() const = 0;
};

// Held until destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode : uint8_t {
  kExisting,   // read and write; NotFound when there is none
  kCreateNew,  // AlreadyExists when there is one
};

class Files {
 public:
  virtual ~Files() = default;

  virtual absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) = 0;

  // Replaces `to` when it exists.
  [[nodiscard]] virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  [[nodiscard]] virtual absl::Status Remove(const std::string& path) = 0;

  // Names (not paths) in the folder, ascending, files and folders alike.
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& folder) = 0;
  virtual absl::StatusOr<bool> Exists(const std::string& path) = 0;

  // OK when it is there already; its parent must be there.
  [[nodiscard]] virtual absl::Status CreateFolder(const std::string& folder) = 0;
  [[nodiscard]] virtual absl::Status RemoveEmptyFolder(const std::string& folder) = 0;

  // The names in the folder are durable when it returns OK (fsync of the directory).
  [[nodiscard]] virtual absl::Status SyncFolder(const std::string& folder) = 0;

  // What may still be written to the disk of the folder, by this process.
  virtual absl::StatusOr<uint64_t> FreeBytes(const std::string& folder) = 0;

  // Takes the lock file, creating it when needed; FailedPrecondition when another holder is alive. It never waits.
  virtual absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
};

}  // namespace regent::storage
