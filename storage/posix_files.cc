#include "storage/posix_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

#include "api/contract/status_macros.h"

namespace regent::storage {
namespace {

constexpr mode_t kFileMode = 0600;  // the log holds every value of the cluster, secrets included
constexpr mode_t kFolderMode = 0700;

absl::Status ErrorOf(int error, const std::string& operation, const std::string& path) {
  const std::string message = operation + " " + path + ": " + std::generic_category().message(error);
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(message);
    case EEXIST:
      return absl::AlreadyExistsError(message);
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    default:
      return absl::InternalError(message);
  }
}

// A file descriptor, closed at the end of its life.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

absl::StatusOr<Descriptor> OpenDescriptor(const std::string& path, int flags) {
  int number;
  do {
    number = ::open(path.c_str(), flags | O_CLOEXEC, kFileMode);
  } while (number < 0 && errno == EINTR);
  if (number < 0) return ErrorOf(errno, "open", path);
  return Descriptor(number);
}

class PosixFile : public File {
 public:
  PosixFile(Descriptor descriptor, std::string path, Syncs syncs)
      : descriptor_(std::move(descriptor)), path_(std::move(path)), syncs_(syncs) {}

  absl::StatusOr<size_t> ReadAt(uint64_t offset, char* buffer, size_t size) override {
    size_t done = 0;
    while (done < size) {
      const ssize_t count =
          ::pread(descriptor_.number(), buffer + done, size - done, static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return ErrorOf(errno, "read", path_);
      if (count == 0) break;
      done += static_cast<size_t>(count);
    }
    return done;
  }

  absl::Status WriteAt(uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t count = ::pwrite(descriptor_.number(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return ErrorOf(errno, "write", path_);
      if (count == 0) return absl::InternalError("write " + path_ + ": the system wrote nothing and gave no error");
      offset += static_cast<uint64_t>(count);
      bytes.remove_prefix(static_cast<size_t>(count));
    }
    return absl::OkStatus();
  }

  absl::Status SyncData() override {
    if (syncs_ == Syncs::kSkippedUnsafely) return absl::OkStatus();
    int result;
    do {
      result = ::fdatasync(descriptor_.number());
    } while (result != 0 && errno == EINTR);
    return result == 0 ? absl::OkStatus() : SyncError(errno);
  }

  absl::Status Truncate(uint64_t size) override {
    int result;
    do {
      result = ::ftruncate(descriptor_.number(), static_cast<off_t>(size));
    } while (result != 0 && errno == EINTR);
    return result == 0 ? absl::OkStatus() : ErrorOf(errno, "truncate", path_);
  }

  absl::Status Allocate(uint64_t size) override {
    int error;
    do {
      error = ::posix_fallocate(descriptor_.number(), 0, static_cast<off_t>(size));
    } while (error == EINTR);
    return error == 0 ? absl::OkStatus() : ErrorOf(error, "allocate", path_);
  }

  absl::StatusOr<uint64_t> Size() override {
    struct stat facts;
    if (::fstat(descriptor_.number(), &facts) != 0) return ErrorOf(errno, "stat", path_);
    return static_cast<uint64_t>(facts.st_size);
  }

  const std::string& path() const override { return path_; }

 private:
  // A sync that ends without space has lost writes like any other failed sync: nobody may take it for a full disk that
  // can be waited for.
  absl::Status SyncError(int error) const {
    return absl::InternalError("sync " + path_ + ": " + std::generic_category().message(error));
  }

  Descriptor descriptor_;
  std::string path_;
  const Syncs syncs_;
};

class PosixLock : public FileLock {
 public:
  explicit PosixLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;
};

// Who wrote itself into the lock file, as long as it lives; empty when nobody can be named.
std::string HolderOf(int descriptor) {
  char text[32];
  const ssize_t count = ::pread(descriptor, text, sizeof(text), 0);
  if (count <= 0) return "";
  std::string holder(text, static_cast<size_t>(count));
  holder.erase(std::find_if(holder.begin(), holder.end(), [](char c) { return c < '0' || c > '9'; }), holder.end());
  const long id = std::strtol(holder.c_str(), nullptr, 10);
  const bool gone = id <= 0 || (::kill(static_cast<pid_t>(id), 0) != 0 && errno == ESRCH);
  return gone ? "" : holder;
}

// `operation` is LOCK_EX or LOCK_SH; FailedPrecondition when another holder is in the way.
absl::Status TakeLock(const Descriptor& descriptor, int operation, const std::string& path) {
  int result;
  do {
    result = ::flock(descriptor.number(), operation | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return absl::OkStatus();
  if (errno != EWOULDBLOCK) return ErrorOf(errno, "lock", path);
  const std::string holder = HolderOf(descriptor.number());
  return absl::FailedPreconditionError(path + " is held by another process" +
                                       (holder.empty() ? "" : " (process id " + holder + ")"));
}

absl::Status RefuseChange(const std::string& path) {
  return absl::PermissionDeniedError(path + " is only looked at, and would be changed");
}

}  // namespace

absl::StatusOr<std::unique_ptr<File>> PosixFiles::Open(const std::string& path, OpenMode mode) {
  const int flags = mode == OpenMode::kCreateNew ? O_RDWR | O_CREAT | O_EXCL : O_RDWR;
  REGENT_ASSIGN_OR_RETURN(Descriptor descriptor, OpenDescriptor(path, flags));
  return std::make_unique<PosixFile>(std::move(descriptor), path, syncs_);
}

absl::Status PosixFiles::Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return ErrorOf(errno, "rename", from + " to " + to);
  return absl::OkStatus();
}

absl::Status PosixFiles::Remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return ErrorOf(errno, "remove", path);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> PosixFiles::List(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(folder.c_str()), ::closedir);
  if (stream == nullptr) return ErrorOf(errno, "list", folder);
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  if (errno != 0) return ErrorOf(errno, "list", folder);
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<bool> PosixFiles::Exists(const std::string& path) {
  struct stat facts;
  if (::stat(path.c_str(), &facts) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return ErrorOf(errno, "stat", path);
}

absl::Status PosixFiles::CreateFolder(const std::string& folder) {
  if (::mkdir(folder.c_str(), kFolderMode) == 0) return absl::OkStatus();
  const int error = errno;
  struct stat facts;
  if (error == EEXIST && ::stat(folder.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode)) return absl::OkStatus();
  return ErrorOf(error == EEXIST ? ENOTDIR : error, "create folder", folder);
}

absl::Status PosixFiles::RemoveEmptyFolder(const std::string& folder) {
  if (::rmdir(folder.c_str()) != 0) return ErrorOf(errno, "remove folder", folder);
  return absl::OkStatus();
}

absl::Status PosixFiles::SyncFolder(const std::string& folder) {
  if (syncs_ == Syncs::kSkippedUnsafely) return absl::OkStatus();
  REGENT_ASSIGN_OR_RETURN(const Descriptor descriptor, OpenDescriptor(folder, O_RDONLY | O_DIRECTORY));
  int result;
  do {
    result = ::fsync(descriptor.number());
  } while (result != 0 && errno == EINTR);
  if (result == 0) return absl::OkStatus();
  return absl::InternalError("sync folder " + folder + ": " + std::generic_category().message(errno));
}

absl::StatusOr<uint64_t> PosixFiles::FreeBytes(const std::string& folder) {
  struct statvfs facts;
  if (::statvfs(folder.c_str(), &facts) != 0) return ErrorOf(errno, "look at the space of", folder);
  return uint64_t{facts.f_bavail} * facts.f_frsize;
}

absl::StatusOr<std::unique_ptr<FileLock>> PosixFiles::Lock(const std::string& path) {
  REGENT_ASSIGN_OR_RETURN(Descriptor descriptor, OpenDescriptor(path, O_RDWR | O_CREAT));
  REGENT_RETURN_IF_ERROR(TakeLock(descriptor, LOCK_EX, path));
  // For the message above only: failing to write it, on a full disk for example, does no harm.
  const std::string holder = std::to_string(::getpid()) + "\n";
  if (::ftruncate(descriptor.number(), 0) == 0) {
    [[maybe_unused]] const ssize_t ignored = ::pwrite(descriptor.number(), holder.data(), holder.size(), 0);
  }
  return std::make_unique<PosixLock>(std::move(descriptor));
}

absl::StatusOr<std::unique_ptr<File>> ReadOnlyPosixFiles::Open(const std::string& path, OpenMode mode) {
  if (mode == OpenMode::kCreateNew) return RefuseChange(path);
  REGENT_ASSIGN_OR_RETURN(Descriptor descriptor, OpenDescriptor(path, O_RDONLY));
  return std::make_unique<PosixFile>(std::move(descriptor), path, Syncs::kDone);
}

absl::Status ReadOnlyPosixFiles::Rename(const std::string& from, const std::string&) { return RefuseChange(from); }

absl::Status ReadOnlyPosixFiles::Remove(const std::string& path) { return RefuseChange(path); }

absl::Status ReadOnlyPosixFiles::CreateFolder(const std::string& folder) { return RefuseChange(folder); }

absl::Status ReadOnlyPosixFiles::RemoveEmptyFolder(const std::string& folder) { return RefuseChange(folder); }

absl::Status ReadOnlyPosixFiles::SyncFolder(const std::string&) { return absl::OkStatus(); }

absl::StatusOr<std::unique_ptr<FileLock>> ReadOnlyPosixFiles::Lock(const std::string& path) {
  absl::StatusOr<Descriptor> descriptor = OpenDescriptor(path, O_RDONLY);
  if (absl::IsNotFound(descriptor.status())) return std::make_unique<FileLock>();
  if (!descriptor.ok()) return descriptor.status();
  REGENT_RETURN_IF_ERROR(TakeLock(*descriptor, LOCK_SH, path));
  return std::make_unique<PosixLock>(*std::move(descriptor));
}

}  // namespace regent::storage
