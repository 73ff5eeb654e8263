// The disk seam over POSIX: pread, pwrite, fdatasync, fsync of folders, flock. Interrupted calls and short reads and
// writes are continued; nothing else is retried, a failed sync least of all.
//
// With Syncs::kSkippedUnsafely nothing is ever synced and every sync is reported as done: for tests of clients, on
// disks whose contents nobody will miss.
#pragma once

#include "storage/files.h"

namespace regent::storage {

enum class Syncs : uint8_t { kDone, kSkippedUnsafely };

class PosixFiles : public Files {
 public:
  explicit PosixFiles(Syncs syncs = Syncs::kDone) : syncs_(syncs) {}

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& folder) override;
  absl::StatusOr<bool> Exists(const std::string& path) override;
  absl::Status CreateFolder(const std::string& folder) override;
  absl::Status RemoveEmptyFolder(const std::string& folder) override;
  absl::Status SyncFolder(const std::string& folder) override;
  absl::StatusOr<uint64_t> FreeBytes(const std::string& folder) override;
  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override;

 private:
  const Syncs syncs_;
};

// The same disk for those who only look: files are opened for reading, a call that would change something fails, and a
// sync has nothing to do. A lock is shared with others who look and never created: a folder without a lock file is a
// copy, which no node has open.
class ReadOnlyPosixFiles : public PosixFiles {
 public:
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status CreateFolder(const std::string& folder) override;
  absl::Status RemoveEmptyFolder(const std::string& folder) override;
  absl::Status SyncFolder(const std::string& folder) override;
  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
};

}  // namespace regent::storage
