// The disk seam over POSIX: pread, pwrite, fdatasync, fsync of folders, flock. Interrupted calls and short reads and
// writes are continued; nothing else is retried, a failed sync least of all.
#pragma once

#include "storage/files.h"

namespace regent::storage {

class PosixFiles : public Files {
 public:
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& folder) override;
  absl::StatusOr<bool> Exists(const std::string& path) override;
  absl::Status CreateFolder(const std::string& folder) override;
  absl::Status RemoveEmptyFolder(const std::string& folder) override;
  absl::Status SyncFolder(const std::string& folder) override;
  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override;
};

}  // namespace regent::storage
