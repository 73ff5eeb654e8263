// dropfs BACKING MOUNTPOINT [--ext4|--lie] [--seed N]
//
// A file system that hands everything through to the folder BACKING and remembers what was not synced. SIGUSR1 is the
// power loss: it unmounts and takes that back. SIGTERM unmounts and keeps everything. With --ext4 the sync of a file
// carries names along, with --lie a sync does nothing. Runs in the foreground, prints "mounted" when it stands. Needs
// libfuse 3 and /dev/fuse; one thread.
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "tests/crash/dropfs_journal.h"

namespace regent::crash {
namespace {

struct FileSystem {
  std::string root;
  std::unique_ptr<Journal> journal;
};

FileSystem& Self() { return *static_cast<FileSystem*>(fuse_get_context()->private_data); }
std::string Real(const char* path) { return Self().root + path; }
int Fd(const fuse_file_info* file) { return static_cast<int>(file->fh); }
int Result(int returned) { return returned < 0 ? -errno : 0; }

int GetAttributes(const char* path, struct stat* status, fuse_file_info*) {
  return Result(lstat(Real(path).c_str(), status));
}
int Access(const char* path, int mode) { return Result(access(Real(path).c_str(), mode)); }
int StatFileSystem(const char* path, struct statvfs* status) { return Result(statvfs(Real(path).c_str(), status)); }
int ChangeMode(const char* path, mode_t mode, fuse_file_info*) { return Result(chmod(Real(path).c_str(), mode)); }
int ChangeOwner(const char* path, uid_t user, gid_t group, fuse_file_info*) {
  return Result(lchown(Real(path).c_str(), user, group));
}
int SetTimes(const char* path, const timespec times[2], fuse_file_info*) {
  return Result(utimensat(AT_FDCWD, Real(path).c_str(), times, AT_SYMLINK_NOFOLLOW));
}

int ReadFolder(const char* path, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info*, fuse_readdir_flags) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(Real(path), error)) {
    fill(buffer, entry.path().filename().c_str(), nullptr, 0, static_cast<fuse_fill_dir_flags>(0));
  }
  return -error.value();
}

int MakeFolder(const char* path, mode_t mode) {
  if (mkdir(Real(path).c_str(), mode) != 0) return -errno;
  Self().journal->Created(path);
  return 0;
}

int Link(const char* from, const char* to) {
  if (link(Real(from).c_str(), Real(to).c_str()) != 0) return -errno;
  Self().journal->Created(to);
  return 0;
}

int RemoveFile(const char* path) { return -Self().journal->Remove(path); }

int RemoveFolder(const char* path) {
  std::error_code error;
  if (!std::filesystem::is_empty(Real(path), error)) return error ? -error.value() : -ENOTEMPTY;
  return -Self().journal->Remove(path);
}

int Rename(const char* from, const char* to, unsigned int flags) {
  if (flags != 0) return -EINVAL;
  return -Self().journal->Rename(from, to);
}

int Open(const char* path, fuse_file_info* file) {
  // Always for reading as well: the journal looks at what is overwritten.
  const int fd = open(Real(path).c_str(), O_RDWR);
  if (fd < 0) return -errno;
  file->fh = static_cast<uint64_t>(fd);
  if ((file->flags & O_TRUNC) != 0) {
    Self().journal->BeforeTruncate(fd, 0);
    return Result(ftruncate(fd, 0));
  }
  return 0;
}

int Create(const char* path, mode_t mode, fuse_file_info* file) {
  const int fd = open(Real(path).c_str(), O_RDWR | O_CREAT | O_EXCL, mode);
  if (fd < 0) return errno == EEXIST ? Open(path, file) : -errno;
  Self().journal->Created(path);
  file->fh = static_cast<uint64_t>(fd);
  return 0;
}

int Read(const char*, char* buffer, size_t bytes, off_t offset, fuse_file_info* file) {
  const ssize_t done = pread(Fd(file), buffer, bytes, offset);
  return done < 0 ? -errno : static_cast<int>(done);
}

int Write(const char*, const char* buffer, size_t bytes, off_t offset, fuse_file_info* file) {
  Self().journal->BeforeWrite(Fd(file), offset, bytes);
  const ssize_t done = pwrite(Fd(file), buffer, bytes, offset);
  return done < 0 ? -errno : static_cast<int>(done);
}

int Truncate(const char* path, off_t size, fuse_file_info* file) {
  const int fd = file != nullptr ? Fd(file) : open(Real(path).c_str(), O_RDWR);
  if (fd < 0) return -errno;
  Self().journal->BeforeTruncate(fd, size);
  const int result = Result(ftruncate(fd, size));
  if (file == nullptr) close(fd);
  return result;
}

int Allocate(const char*, int mode, off_t offset, off_t bytes, fuse_file_info* file) {
  if ((mode & ~FALLOC_FL_KEEP_SIZE) != 0) return -EOPNOTSUPP;
  Self().journal->BeforeWrite(Fd(file), offset, 0);
  return Result(fallocate(Fd(file), mode, offset, bytes));
}

int SyncFile(const char*, int, fuse_file_info* file) {
  Self().journal->FileSynced(Fd(file));
  return 0;
}

int SyncFolder(const char* path, int, fuse_file_info*) {
  Self().journal->FolderSynced(path);
  return 0;
}

int Release(const char*, fuse_file_info* file) {
  close(Fd(file));
  return 0;
}

fuse_operations Operations() {
  fuse_operations operations = {};
  operations.getattr = GetAttributes;
  operations.access = Access;
  operations.statfs = StatFileSystem;
  operations.chmod = ChangeMode;
  operations.chown = ChangeOwner;
  operations.utimens = SetTimes;
  operations.readdir = ReadFolder;
  operations.mkdir = MakeFolder;
  operations.link = Link;
  operations.unlink = RemoveFile;
  operations.rmdir = RemoveFolder;
  operations.rename = Rename;
  operations.open = Open;
  operations.create = Create;
  operations.read = Read;
  operations.write = Write;
  operations.truncate = Truncate;
  operations.fallocate = Allocate;
  operations.fsync = SyncFile;
  operations.fsyncdir = SyncFolder;
  operations.release = Release;
  return operations;
}

fuse* running = nullptr;
volatile sig_atomic_t power_lost = 0;

void HandleSignal(int number) {
  if (number == SIGUSR1) power_lost = 1;
  fuse_exit(running);
}

void CatchSignals() {
  struct sigaction action = {};
  action.sa_handler = HandleSignal;
  for (const int number : {SIGUSR1, SIGTERM, SIGINT}) sigaction(number, &action, nullptr);
}

int Main(int argc, char** argv) {
  Journal::Sync sync = Journal::Sync::kPosix;
  uint64_t seed = 0;
  for (int i = 3; i < argc; ++i) {
    if (strcmp(argv[i], "--ext4") == 0) sync = Journal::Sync::kExt4;
    if (strcmp(argv[i], "--lie") == 0) sync = Journal::Sync::kLie;
    if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) seed = strtoull(argv[++i], nullptr, 10);
  }
  if (argc < 3) {
    fprintf(stderr, "usage: dropfs BACKING MOUNTPOINT [--ext4|--lie] [--seed N]\n");
    return 2;
  }
  FileSystem self{.root = std::filesystem::canonical(argv[1])};
  self.journal = std::make_unique<Journal>(self.root, sync);
  const fuse_operations operations = Operations();
  char name[] = "dropfs";
  char* arguments[] = {name, nullptr};
  fuse_args args = FUSE_ARGS_INIT(1, arguments);
  running = fuse_new(&args, &operations, sizeof operations, &self);
  if (running == nullptr || fuse_mount(running, argv[2]) != 0) return 1;
  CatchSignals();
  printf("mounted\n");
  fflush(stdout);
  fuse_loop(running);
  fuse_unmount(running);
  if (power_lost != 0) self.journal->PowerLoss(seed);
  fuse_destroy(running);
  return 0;
}

}  // namespace
}  // namespace regent::crash

int main(int argc, char** argv) { return regent::crash::Main(argc, argv); }
