#include "tests/crash/dropfs_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

namespace regent::crash {
namespace {

constexpr off_t kBlockBytes = 4096;

[[noreturn]] void Die(const char* what) {
  perror(what);
  abort();
}

struct stat Stat(int fd) {
  struct stat status = {};
  if (fstat(fd, &status) != 0) Die("fstat");
  return status;
}

std::string Parent(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Journal::Journal(std::string root, Sync sync) : root_(std::move(root)), trash_(root_ + ".trash"), sync_(sync) {
  std::filesystem::remove_all(trash_);
  std::filesystem::create_directory(trash_);
}

Journal::~Journal() {
  for (auto& [inode, file] : files_) close(file.fd);
  std::filesystem::remove_all(trash_);
}

// ---- contents ------------------------------------------------------------------------------------------------------

Journal::File& Journal::Watched(int fd) {
  const struct stat status = Stat(fd);
  const auto [found, added] = files_.try_emplace(status.st_ino);
  if (added) {
    found->second.fd = open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDWR);
    if (found->second.fd < 0) Die("open of a written file");
    found->second.size = status.st_size;
  }
  return found->second;
}

void Journal::Keep(File& file, uint64_t block) {
  const off_t offset = static_cast<off_t>(block) * kBlockBytes;
  if (offset >= file.size || file.blocks.contains(block)) return;
  std::string old(static_cast<size_t>(std::min(kBlockBytes, file.size - offset)), '\0');
  if (pread(file.fd, old.data(), old.size(), offset) < 0) Die("pread");
  file.blocks.emplace(block, std::move(old));
}

void Journal::BeforeWrite(int fd, off_t offset, size_t bytes) {
  File& file = Watched(fd);
  const off_t end = std::min<off_t>(offset + static_cast<off_t>(bytes), file.size);
  for (off_t block = offset / kBlockBytes; block * kBlockBytes < end; ++block) Keep(file, static_cast<uint64_t>(block));
}

void Journal::BeforeTruncate(int fd, off_t size) {
  File& file = Watched(fd);
  for (off_t block = size / kBlockBytes; block * kBlockBytes < file.size; ++block)
    Keep(file, static_cast<uint64_t>(block));
}

void Journal::FileSynced(int fd) {
  if (sync_ == Sync::kLie) return;
  if (sync_ == Sync::kExt4) ForgetChanges([](const Change&) { return true; });
  const auto found = files_.find(Stat(fd).st_ino);
  if (found == files_.end()) return;
  close(found->second.fd);
  files_.erase(found);
}

void Journal::Restore(File& file, bool everything, std::mt19937_64& random) {
  for (const auto& [block, old] : file.blocks) {
    if (!everything && random() % 2 == 0) continue;
    if (pwrite(file.fd, old.data(), old.size(), static_cast<off_t>(block) * kBlockBytes) < 0) Die("pwrite");
  }
  const off_t size = Stat(file.fd).st_size;
  if (everything || size < file.size) {
    if (ftruncate(file.fd, file.size) != 0) Die("ftruncate");
    return;
  }
  // The new size was written, but not every block behind the old end: those read as zeroes.
  const std::string zeroes(kBlockBytes, '\0');
  for (off_t offset = file.size; offset < size;) {
    const off_t end = std::min(size, (offset / kBlockBytes + 1) * kBlockBytes);
    if (random() % 2 == 0 && pwrite(file.fd, zeroes.data(), static_cast<size_t>(end - offset), offset) < 0)
      Die("pwrite");
    offset = end;
  }
}

// ---- names ---------------------------------------------------------------------------------------------------------

void Journal::Created(const std::string& path) { changes_.push_back({.kind = Change::Kind::kCreated, .path = path}); }

std::string Journal::MoveToTrash(const std::string& path) {
  std::string trash = trash_ + "/" + std::to_string(++trash_count_);
  return rename(Real(path).c_str(), trash.c_str()) == 0 ? trash : "";
}

void Journal::EmptyTrash(const std::string& trash) {
  struct stat status = {};
  if (trash.empty() || lstat(trash.c_str(), &status) != 0) return;
  if (S_ISREG(status.st_mode) && status.st_nlink == 1) {
    const auto found = files_.find(status.st_ino);
    if (found != files_.end()) {
      close(found->second.fd);
      files_.erase(found);
    }
  }
  std::filesystem::remove_all(trash);
}

int Journal::Remove(const std::string& path) {
  std::string trash = MoveToTrash(path);
  if (trash.empty()) return errno;
  changes_.push_back({.kind = Change::Kind::kRemoved, .path = path, .trash = std::move(trash)});
  return 0;
}

int Journal::Rename(const std::string& from, const std::string& to) {
  struct stat status = {};
  std::string trash;
  if (lstat(Real(to).c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode) && !std::filesystem::is_empty(Real(to))) return ENOTEMPTY;
    trash = MoveToTrash(to);
    if (trash.empty()) return errno;
  }
  if (rename(Real(from).c_str(), Real(to).c_str()) != 0) return errno;
  RewritePaths(from, to);
  changes_.push_back({.kind = Change::Kind::kRenamed, .path = from, .to = to, .trash = std::move(trash)});
  return 0;
}

// What lies below a renamed folder has another path now.
void Journal::RewritePaths(const std::string& from, const std::string& to) {
  const auto rewrite = [&](std::string& path) {
    if (path.starts_with(from + "/")) path = to + path.substr(from.size());
  };
  for (Change& change : changes_) {
    rewrite(change.path);
    rewrite(change.to);
  }
}

void Journal::FolderSynced(const std::string& path) {
  if (sync_ == Sync::kLie) return;
  ForgetChanges([&](const Change& change) {
    return Parent(change.path) == path || (!change.to.empty() && Parent(change.to) == path);
  });
}

void Journal::ForgetChanges(const std::function<bool(const Change&)>& durable) {
  std::erase_if(changes_, [&](const Change& change) {
    if (!durable(change)) return false;
    EmptyTrash(change.trash);
    return true;
  });
}

void Journal::Undo(const Change& change) {
  switch (change.kind) {
    case Change::Kind::kCreated:
      MoveToTrash(change.path);
      return;
    case Change::Kind::kRenamed:
      rename(Real(change.to).c_str(), Real(change.path).c_str());
      RewritePaths(change.to, change.path);
      if (!change.trash.empty()) rename(change.trash.c_str(), Real(change.to).c_str());
      return;
    case Change::Kind::kRemoved:
      rename(change.trash.c_str(), Real(change.path).c_str());
      return;
  }
}

void Journal::PowerLoss(uint64_t seed) {
  std::mt19937_64 random(seed);
  const bool everything = seed % 2 == 0;
  printf("power loss: %zu files and %zu names not synced, %s lost\n", files_.size(), changes_.size(),
         everything ? "all of it" : "a part of it");
  fflush(stdout);
  for (auto& [inode, file] : files_) Restore(file, everything, random);
  // Names are journalled in their order: what survives is a prefix.
  const size_t survivors = everything || changes_.empty() ? 0 : random() % changes_.size();
  while (changes_.size() > survivors) {
    const Change change = std::move(changes_.back());
    changes_.pop_back();
    Undo(change);
  }
}

}  // namespace regent::crash
