// A disk in memory that behaves as badly as a disk may. It knows for every byte and every name whether it was synced,
// can produce every state that a crash could leave, counts and fails calls on demand, and has a capacity.
//
// The model: a write becomes unsynced pieces of one 512-byte sector each (a sector is written whole or not at all); a
// SyncData of the file makes its pieces durable. Changes of names become durable with a SyncFolder of their folder; a
// crash keeps a prefix of the unsynced ones, as a journal does. A folder is durable when it is made or removed; its
// move to another name, in the same folder or another one, becomes durable with a SyncFolder of either. After a failed
// sync the unsynced pieces stay unsynced for good: later syncs answer OK and do nothing for them, as a kernel does that
// has marked its pages clean.
//
// Copying is cheap: blocks are shared until written, and a block of zeroes costs nothing. Deterministic: it has no
// chance of its own. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "storage/files.h"

namespace regent::testing {

inline constexpr uint64_t kDiskSectorBytes = 512;

// The bytes of a file.
class BlockContent {
 public:
  uint64_t size() const { return size_; }
  size_t Read(uint64_t offset, char* buffer, size_t size) const;
  void Write(uint64_t offset, std::string_view bytes);
  void Resize(uint64_t size);
  std::string ToString() const;

 private:
  static constexpr uint64_t kBlockBytes = 4096;
  using Block = std::array<char, kBlockBytes>;

  uint64_t size_ = 0;
  std::vector<std::shared_ptr<Block>> blocks_;  // null: zeroes
};

enum class DiskCall : uint8_t { kCreate, kRead, kWrite, kTruncate, kSync, kRename, kRemove, kFolder, kSyncFolder };

enum class DiskFault : uint8_t {
  kIoError,     // nothing happens, Internal
  kNoSpace,     // nothing happens, ResourceExhausted
  kShortWrite,  // half of a write happens, ResourceExhausted; of other calls as kNoSpace
};

// One change that a crash may lose.
struct UnsyncedPiece {
  std::string path;     // of the file, or of the folder for a change of names
  bool names = false;   // a change of names: kept only when those of the same folder before it are
  uint64_t call = 0;    // the number of the call that made it
  uint64_t offset = 0;  // in the file
  uint64_t bytes = 0;
};

class MemoryDisk : public storage::Files {
 public:
  MemoryDisk();
  ~MemoryDisk() override;

  absl::StatusOr<std::unique_ptr<storage::File>> Open(const std::string& path, storage::OpenMode mode) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& folder) override;
  absl::StatusOr<bool> Exists(const std::string& path) override;
  absl::Status CreateFolder(const std::string& folder) override;
  absl::Status RemoveEmptyFolder(const std::string& folder) override;
  absl::Status SyncFolder(const std::string& folder) override;
  absl::StatusOr<uint64_t> FreeBytes(const std::string& folder) override;
  absl::StatusOr<std::unique_ptr<storage::FileLock>> Lock(const std::string& path) override;

  // Called after every call that changes something, with its number (from 1): the moment at which a crash may come.
  void set_observer(std::function<void(uint64_t call)> observer) { observer_ = std::move(observer); }

  // The call of this number, and the `count` - 1 after it, fail. Calls that change nothing are counted only with
  // `count_reads`.
  void FailCalls(uint64_t first, uint64_t count, DiskFault fault);
  void set_count_reads(bool count) { count_reads_ = count; }
  uint64_t calls() const { return calls_; }
  uint64_t calls_of(DiskCall kind) const { return calls_of_[static_cast<size_t>(kind)]; }
  uint64_t faults_injected() const { return faults_injected_; }

  // Bytes of all files together; a write beyond it is cut short.
  void set_capacity(uint64_t bytes) { capacity_ = bytes; }
  uint64_t refused_for_space() const { return refused_for_space_; }
  uint64_t bytes_used() const;

  // What could be lost now, in the order in which it was done.
  std::vector<UnsyncedPiece> Unsynced() const;

  // The disk after a crash now. `survives` is asked for every unsynced piece in the order of Unsynced.
  std::unique_ptr<MemoryDisk> AfterCrash(const std::function<bool(const UnsyncedPiece&)>& survives) const;

  // The disk as it is, unsynced pieces and all, without its observer, faults and locks: what a process finds that was
  // killed and started again while the machine went on.
  std::unique_ptr<MemoryDisk> AfterKill() const;

  // The content of a file as it is read, and changes to it that no call made: bit rot. They are durable at once.
  std::string Content(const std::string& path) const;
  void Damage(const std::string& path, uint64_t offset, std::string_view bytes);

  // Of all names and contents as they are read.
  uint64_t Hash() const;

 private:
  class OpenFile;
  class HeldLock;

  struct Piece {
    uint64_t call = 0;
    uint64_t offset = 0;
    std::string bytes;
    std::optional<uint64_t> resize;  // instead of bytes
    bool lost = false;               // no sync will help
  };

  struct Node {
    BlockContent now;
    BlockContent durable;
    std::vector<Piece> pieces;
  };

  using Names = std::map<std::string, std::shared_ptr<Node>>;

  struct NameChange {
    uint64_t call = 0;
    std::string name;
    std::shared_ptr<Node> node;  // null: the name goes
    std::string name_gone;       // a rename takes this name away at the same moment
  };

  struct Folder {
    Names names;
    Names durable_names;
    std::vector<NameChange> changes;
    bool sync_failed = false;  // no sync will help
  };

  // Of a whole folder, done and not durable.
  struct FolderMove {
    uint64_t call = 0;
    std::string from, to;
  };

  // A piece with what it belongs to: of a file, a change of names, or a move of a folder.
  struct Loss {
    UnsyncedPiece piece;
    const FolderMove* move = nullptr;
    const Node* node = nullptr;
    const Piece* data = nullptr;
    const NameChange* change = nullptr;
  };

  std::vector<Loss> Losses() const;
  // Counts the call and fails it when it is its turn; `half`: half of a write is still to be done.
  absl::Status Begin(DiskCall kind, const std::string& path, bool* half = nullptr);
  absl::Status End(absl::Status status);
  Folder* FolderOf(const std::string& path);
  std::shared_ptr<Node> Find(const std::string& path) const;
  void Change(Folder& folder, NameChange change);
  absl::Status RenameFolder(const std::string& from, const std::string& to);  // without folders in it
  // The moves through the last one that `concerns` are durable.
  void SettleMoves(const std::function<bool(const FolderMove&)>& concerns);
  uint64_t CapacityLeft() const;
  absl::Status WriteNode(Node& node, const std::string& path, uint64_t offset, std::string_view bytes);
  absl::Status ResizeNode(Node& node, const std::string& path, uint64_t size);
  absl::Status SyncNode(Node& node, const std::string& path);

  std::map<std::string, Folder> folders_;  // by path
  std::vector<FolderMove> moves_;          // unsynced ones, in the order in which they were done
  std::set<std::string> locked_;
  std::function<void(uint64_t)> observer_;
  uint64_t calls_ = 0;
  std::array<uint64_t, 9> calls_of_{};
  bool count_reads_ = false;
  uint64_t fail_first_ = 0;
  uint64_t fail_count_ = 0;
  DiskFault fault_ = DiskFault::kIoError;
  uint64_t faults_injected_ = 0;
  uint64_t capacity_ = UINT64_MAX;
  uint64_t refused_for_space_ = 0;
};

}  // namespace regent::testing
