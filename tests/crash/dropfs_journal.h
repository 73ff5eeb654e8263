// What a power loss takes back: for every file the old contents of what was written since its last sync, for every
// folder the names that came, went or changed since its own last sync. A file system may have written any part of that
// by itself, so a loss may also leave some of it.
//
//   file     until fsync or fdatasync of the file: overwritten blocks and the size are remembered
//   name     until fsync of a folder that holds it: creations, removals and renames are remembered; what was removed or
//            replaced waits in the trash beside the root
//
// A file whose name was never synced is lost whole, also when its contents were synced: that is all that POSIX
// promises. ext4 promises more, its journal carries every earlier change of names along with the sync of any file.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <string>

namespace regent::crash {

class Journal {
 public:
  enum class Sync : uint8_t {
    kPosix,
    kExt4,
    kLie,  // says that it synced and did not: the canary
  };

  Journal(std::string root, Sync sync);
  ~Journal();

  // Before a change of the contents of an open file. Opens a descriptor of its own.
  void BeforeWrite(int fd, off_t offset, size_t bytes);
  void BeforeTruncate(int fd, off_t size);
  void FileSynced(int fd);

  // After a name came. Paths are relative to the root and begin with a slash.
  void Created(const std::string& path);
  // Instead of removing: 0 or an errno.
  int Remove(const std::string& path);
  int Rename(const std::string& from, const std::string& to);
  void FolderSynced(const std::string& path);

  // Takes back what was not synced, or a part of it as `seed` decides.
  void PowerLoss(uint64_t seed);

 private:
  struct File {
    int fd = -1;
    off_t size = 0;                          // at the last sync
    std::map<uint64_t, std::string> blocks;  // old contents, as far as they lie below `size`
  };
  struct Change {
    enum class Kind : uint8_t { kCreated, kRemoved, kRenamed };
    Kind kind = Kind::kCreated;
    std::string path;   // of a rename the old name
    std::string to;     // of a rename the new name
    std::string trash;  // what was removed or replaced; "" for nothing
  };

  std::string Real(const std::string& path) const { return root_ + path; }
  File& Watched(int fd);
  void ForgetChanges(const std::function<bool(const Change&)>& durable);
  void Keep(File& file, uint64_t block);
  void Restore(File& file, bool everything, std::mt19937_64& random);
  std::string MoveToTrash(const std::string& path);
  void EmptyTrash(const std::string& trash);
  void Undo(const Change& change);
  void RewritePaths(const std::string& from, const std::string& to);

  const std::string root_;
  const std::string trash_;
  const Sync sync_;
  std::map<ino_t, File> files_;
  std::deque<Change> changes_;
  uint64_t trash_count_ = 0;
};

}  // namespace regent::crash
