#include "tests/support/memory_disk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "glog/logging.h"

namespace regent::testing {
namespace {

std::string ParentOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string NameOf(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

bool IsZero(std::string_view bytes) { return bytes.find_first_not_of('\0') == std::string_view::npos; }

uint64_t Mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9E3779B97F4A7C15;
  return hash ^ (hash >> 29);
}

absl::Status NoSuch(const std::string& path) { return absl::NotFoundError("no such file or folder: " + path); }

}  // namespace

size_t BlockContent::Read(uint64_t offset, char* buffer, size_t size) const {
  if (offset >= size_) return 0;
  size = std::min<uint64_t>(size, size_ - offset);
  for (size_t done = 0; done < size;) {
    const uint64_t at = offset + done;
    const size_t count = std::min<uint64_t>(size - done, kBlockBytes - at % kBlockBytes);
    const Block* block = blocks_[at / kBlockBytes].get();
    if (block == nullptr) {
      std::memset(buffer + done, 0, count);
    } else {
      std::memcpy(buffer + done, block->data() + at % kBlockBytes, count);
    }
    done += count;
  }
  return size;
}

void BlockContent::Write(uint64_t offset, std::string_view bytes) {
  if (bytes.empty()) return;
  if (offset + bytes.size() > size_) Resize(offset + bytes.size());
  while (!bytes.empty()) {
    const size_t count = std::min<uint64_t>(bytes.size(), kBlockBytes - offset % kBlockBytes);
    std::shared_ptr<Block>& block = blocks_[offset / kBlockBytes];
    const std::string_view part = bytes.substr(0, count);
    if (block != nullptr || !IsZero(part)) {
      if (block == nullptr) {
        block = std::make_shared<Block>();
      } else if (block.use_count() > 1) {
        block = std::make_shared<Block>(*block);
      }
      std::memcpy(block->data() + offset % kBlockBytes, part.data(), count);
    }
    offset += count;
    bytes.remove_prefix(count);
  }
}

void BlockContent::Resize(uint64_t size) {
  blocks_.resize((size + kBlockBytes - 1) / kBlockBytes);
  if (size < size_ && size % kBlockBytes != 0 && blocks_.back() != nullptr) {
    auto cut = std::make_shared<Block>(*blocks_.back());
    std::memset(cut->data() + size % kBlockBytes, 0, kBlockBytes - size % kBlockBytes);
    blocks_.back() = std::move(cut);
  }
  size_ = size;
}

std::string BlockContent::ToString() const {
  std::string bytes(size_, '\0');
  Read(0, bytes.data(), bytes.size());
  return bytes;
}

class MemoryDisk::OpenFile : public storage::File {
 public:
  OpenFile(MemoryDisk& disk, std::shared_ptr<Node> node, std::string path)
      : disk_(disk), node_(std::move(node)), path_(std::move(path)) {}

  absl::StatusOr<size_t> ReadAt(uint64_t offset, char* buffer, size_t size) override {
    const absl::Status begun = disk_.Begin(DiskCall::kRead, path_);
    if (!begun.ok()) return begun;
    return node_->now.Read(offset, buffer, size);
  }
  absl::Status WriteAt(uint64_t offset, std::string_view bytes) override {
    return disk_.WriteNode(*node_, path_, offset, bytes);
  }
  absl::Status SyncData() override { return disk_.SyncNode(*node_, path_); }
  absl::Status Truncate(uint64_t size) override { return disk_.ResizeNode(*node_, path_, size); }
  absl::Status Allocate(uint64_t size) override {
    return disk_.ResizeNode(*node_, path_, std::max(size, node_->now.size()));
  }
  absl::StatusOr<uint64_t> Size() override { return node_->now.size(); }
  const std::string& path() const override { return path_; }

 private:
  MemoryDisk& disk_;
  std::shared_ptr<Node> node_;
  std::string path_;
};

class MemoryDisk::HeldLock : public storage::FileLock {
 public:
  HeldLock(MemoryDisk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  ~HeldLock() override { disk_.locked_.erase(path_); }

 private:
  MemoryDisk& disk_;
  std::string path_;
};

MemoryDisk::MemoryDisk() { folders_["/"]; }
MemoryDisk::~MemoryDisk() = default;

absl::StatusOr<std::unique_ptr<storage::File>> MemoryDisk::Open(const std::string& path, storage::OpenMode mode) {
  Folder* folder = FolderOf(path);
  if (folder == nullptr) return NoSuch(path);
  const auto found = folder->names.find(NameOf(path));
  if (mode == storage::OpenMode::kExisting) {
    if (found == folder->names.end()) return NoSuch(path);
    return std::make_unique<OpenFile>(*this, found->second, path);
  }
  if (found != folder->names.end()) return absl::AlreadyExistsError("there is a file " + path);
  const absl::Status begun = Begin(DiskCall::kCreate, path);
  if (!begun.ok()) return End(begun);
  auto node = std::make_shared<Node>();
  Change(*folder, {.call = calls_, .name = NameOf(path), .node = node});
  End(absl::OkStatus()).IgnoreError();
  return std::make_unique<OpenFile>(*this, std::move(node), path);
}

absl::Status MemoryDisk::Rename(const std::string& from, const std::string& to) {
  if (folders_.contains(from)) return RenameFolder(from, to);
  CHECK_EQ(ParentOf(from), ParentOf(to)) << "files are only renamed within a folder here";
  const std::shared_ptr<Node> node = Find(from);
  if (node == nullptr) return NoSuch(from);
  if (const absl::Status begun = Begin(DiskCall::kRename, to); !begun.ok()) return End(begun);
  Change(*FolderOf(from), {.call = calls_, .name = NameOf(to), .node = node, .name_gone = NameOf(from)});
  return End(absl::OkStatus());
}

absl::Status MemoryDisk::RenameFolder(const std::string& from, const std::string& to) {
  if (folders_.contains(to) || Find(to) != nullptr) return absl::AlreadyExistsError("there is a folder or file " + to);
  if (!folders_.contains(ParentOf(to))) return NoSuch(ParentOf(to));
  if (const absl::Status begun = Begin(DiskCall::kRename, to); !begun.ok()) return End(begun);
  auto folder = folders_.extract(from);
  folder.key() = to;
  folders_.insert(std::move(folder));
  moves_.push_back({.call = calls_, .from = from, .to = to});
  return End(absl::OkStatus());
}

void MemoryDisk::SettleMoves(const std::function<bool(const FolderMove&)>& concerns) {
  const auto last = std::find_if(moves_.rbegin(), moves_.rend(), concerns);
  moves_.erase(moves_.begin(), last.base());
}

absl::Status MemoryDisk::Remove(const std::string& path) {
  if (Find(path) == nullptr) return NoSuch(path);
  if (const absl::Status begun = Begin(DiskCall::kRemove, path); !begun.ok()) return End(begun);
  Change(*FolderOf(path), {.call = calls_, .name = NameOf(path)});
  return End(absl::OkStatus());
}

absl::StatusOr<std::vector<std::string>> MemoryDisk::List(const std::string& folder) {
  const auto found = folders_.find(folder);
  if (found == folders_.end()) return NoSuch(folder);
  std::vector<std::string> names;
  for (const auto& [name, node] : found->second.names) names.push_back(name);
  for (const auto& [path, inner] : folders_) {
    if (path != "/" && ParentOf(path) == folder) names.push_back(NameOf(path));
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<bool> MemoryDisk::Exists(const std::string& path) {
  return folders_.contains(path) || Find(path) != nullptr;
}

absl::Status MemoryDisk::CreateFolder(const std::string& folder) {
  if (folders_.contains(folder)) return absl::OkStatus();
  if (!folders_.contains(ParentOf(folder))) return NoSuch(ParentOf(folder));
  if (const absl::Status begun = Begin(DiskCall::kFolder, folder); !begun.ok()) return End(begun);
  SettleMoves([&](const FolderMove& move) { return move.from == folder; });
  folders_[folder];
  return End(absl::OkStatus());
}

absl::Status MemoryDisk::RemoveEmptyFolder(const std::string& folder) {
  const auto found = folders_.find(folder);
  if (found == folders_.end()) return NoSuch(folder);
  if (!found->second.names.empty()) return absl::InternalError("not empty: " + folder);
  if (const absl::Status begun = Begin(DiskCall::kFolder, folder); !begun.ok()) return End(begun);
  SettleMoves([&](const FolderMove& move) { return move.to == folder; });
  folders_.erase(found);
  return End(absl::OkStatus());
}

absl::Status MemoryDisk::SyncFolder(const std::string& folder) {
  const auto found = folders_.find(folder);
  if (found == folders_.end()) return NoSuch(folder);
  if (const absl::Status begun = Begin(DiskCall::kSyncFolder, folder); !begun.ok()) {
    found->second.sync_failed = true;
    return End(absl::InternalError(std::string(begun.message())));
  }
  if (!found->second.sync_failed) {
    found->second.durable_names = found->second.names;
    found->second.changes.clear();
    SettleMoves([&](const FolderMove& move) { return ParentOf(move.from) == folder || ParentOf(move.to) == folder; });
  }
  return End(absl::OkStatus());
}

absl::StatusOr<std::unique_ptr<storage::FileLock>> MemoryDisk::Lock(const std::string& path) {
  if (FolderOf(path) == nullptr) return NoSuch(path);
  if (!locked_.insert(path).second) {
    return absl::FailedPreconditionError(path + " is held by another process (process id 1)");
  }
  return std::make_unique<HeldLock>(*this, path);
}

void MemoryDisk::FailCalls(uint64_t first, uint64_t count, DiskFault fault) {
  fail_first_ = first;
  fail_count_ = count;
  fault_ = fault;
}

uint64_t MemoryDisk::bytes_used() const {
  uint64_t bytes = 0;
  for (const auto& [path, folder] : folders_) {
    for (const auto& [name, node] : folder.names) bytes += node->now.size();
  }
  return bytes;
}

std::vector<MemoryDisk::Loss> MemoryDisk::Losses() const {
  std::vector<Loss> losses;
  for (const FolderMove& move : moves_) {
    losses.push_back({.piece = {.path = ParentOf(move.to), .names = true, .call = move.call}, .move = &move});
  }
  for (const auto& [path, folder] : folders_) {
    std::map<const Node*, std::string> nodes;  // every file that a crash could show, by a name it had
    for (const auto& [name, node] : folder.durable_names) nodes.emplace(node.get(), name);
    for (const NameChange& change : folder.changes) {
      if (change.node != nullptr) nodes.emplace(change.node.get(), change.name);
      losses.push_back({.piece = {.path = path, .names = true, .call = change.call}, .change = &change});
    }
    for (const auto& [node, name] : nodes) {
      for (const Piece& data : node->pieces) {
        const uint64_t end = data.offset + data.bytes.size();
        UnsyncedPiece piece{.path = path + "/" + name, .call = data.call};
        if (data.resize) losses.push_back({.piece = piece, .node = node, .data = &data});
        for (uint64_t at = data.offset; at < end; at += piece.bytes) {
          piece.offset = at;
          piece.bytes = std::min(end, at / kDiskSectorBytes * kDiskSectorBytes + kDiskSectorBytes) - at;
          losses.push_back({.piece = piece, .node = node, .data = &data});
        }
      }
    }
  }
  std::stable_sort(losses.begin(), losses.end(),
                   [](const Loss& a, const Loss& b) { return a.piece.call < b.piece.call; });
  return losses;
}

std::vector<UnsyncedPiece> MemoryDisk::Unsynced() const {
  std::vector<UnsyncedPiece> pieces;
  for (Loss& loss : Losses()) pieces.push_back(std::move(loss.piece));
  return pieces;
}

std::unique_ptr<MemoryDisk> MemoryDisk::AfterCrash(const std::function<bool(const UnsyncedPiece&)>& survives) const {
  auto after = std::make_unique<MemoryDisk>();
  std::map<const Node*, std::shared_ptr<Node>> copies;
  const auto copy_of = [&](const Node* node) {
    std::shared_ptr<Node>& copy = copies[node];
    if (copy == nullptr) {
      copy = std::make_shared<Node>();
      copy->now = node->durable;
    }
    return copy;
  };
  for (const auto& [path, folder] : folders_) {
    Names& names = after->folders_[path].names;
    for (const auto& [name, node] : folder.durable_names) names[name] = copy_of(node.get());
  }
  std::set<std::string> names_lost;
  std::vector<const FolderMove*> moves_lost;
  for (const Loss& loss : Losses()) {
    const bool kept = survives(loss.piece);
    if (loss.move != nullptr) {
      if (!kept || !moves_lost.empty()) moves_lost.push_back(loss.move);
    } else if (loss.change != nullptr) {
      if (!kept) names_lost.insert(loss.piece.path);
      if (names_lost.contains(loss.piece.path)) continue;
      Names& names = after->folders_[loss.piece.path].names;
      names.erase(loss.change->name_gone);
      names.erase(loss.change->name);
      if (loss.change->node != nullptr) names[loss.change->name] = copy_of(loss.change->node.get());
    } else if (kept && loss.data->resize) {
      copy_of(loss.node)->now.Resize(*loss.data->resize);
    } else if (kept) {
      const std::string_view bytes = loss.data->bytes;
      copy_of(loss.node)->now.Write(loss.piece.offset,
                                    bytes.substr(loss.piece.offset - loss.data->offset, loss.piece.bytes));
    }
  }
  for (auto move = moves_lost.rbegin(); move != moves_lost.rend(); ++move) {
    auto folder = after->folders_.extract((*move)->to);
    folder.key() = (*move)->from;
    after->folders_.insert(std::move(folder));
  }
  for (auto& [node, copy] : copies) copy->durable = copy->now;
  for (auto& [path, folder] : after->folders_) folder.durable_names = folder.names;
  after->capacity_ = capacity_;
  return after;
}

std::unique_ptr<MemoryDisk> MemoryDisk::AfterKill() const {
  auto after = std::make_unique<MemoryDisk>();
  std::map<const Node*, std::shared_ptr<Node>> copies;
  const auto copy_of = [&](const std::shared_ptr<Node>& node) {
    if (node == nullptr) return node;
    std::shared_ptr<Node>& copy = copies[node.get()];
    if (copy == nullptr) copy = std::make_shared<Node>(*node);
    return copy;
  };
  for (const auto& [path, folder] : folders_) {
    Folder& copy = after->folders_[path];
    copy = folder;
    for (auto& [name, node] : copy.names) node = copy_of(node);
    for (auto& [name, node] : copy.durable_names) node = copy_of(node);
    for (NameChange& change : copy.changes) change.node = copy_of(change.node);
  }
  after->moves_ = moves_;
  after->calls_ = calls_;
  after->capacity_ = capacity_;
  return after;
}

std::string MemoryDisk::Content(const std::string& path) const {
  const std::shared_ptr<Node> node = Find(path);
  CHECK(node != nullptr) << path;
  return node->now.ToString();
}

void MemoryDisk::Damage(const std::string& path, uint64_t offset, std::string_view bytes) {
  const std::shared_ptr<Node> node = Find(path);
  CHECK(node != nullptr) << path;
  node->now.Write(offset, bytes);
  node->durable.Write(offset, bytes);
}

uint64_t MemoryDisk::Hash() const {
  uint64_t hash = 1;
  for (const auto& [path, folder] : folders_) {
    for (const auto& [name, node] : folder.names) {
      hash = Mix(hash, std::hash<std::string>()(path + "/" + name));
      const std::string bytes = node->now.ToString();
      hash = Mix(hash, std::hash<std::string>()(bytes));
    }
  }
  return hash;
}

absl::Status MemoryDisk::Begin(DiskCall kind, const std::string& path, bool* half) {
  if (kind == DiskCall::kRead && !count_reads_) return absl::OkStatus();
  ++calls_;
  ++calls_of_[static_cast<size_t>(kind)];
  if (fail_count_ == 0 || calls_ < fail_first_ || calls_ - fail_first_ >= fail_count_) return absl::OkStatus();
  ++faults_injected_;
  const std::string where = path + " (call " + std::to_string(calls_) + ")";
  if (half != nullptr) *half = fault_ == DiskFault::kShortWrite;
  if (fault_ == DiskFault::kIoError) return absl::InternalError("planted I/O error: " + where);
  return absl::ResourceExhaustedError("planted: no space left: " + where);
}

absl::Status MemoryDisk::End(absl::Status status) {
  if (observer_) observer_(calls_);
  return status;
}

MemoryDisk::Folder* MemoryDisk::FolderOf(const std::string& path) {
  const auto found = folders_.find(ParentOf(path));
  return found == folders_.end() ? nullptr : &found->second;
}

std::shared_ptr<MemoryDisk::Node> MemoryDisk::Find(const std::string& path) const {
  const auto folder = folders_.find(ParentOf(path));
  if (folder == folders_.end()) return nullptr;
  const auto found = folder->second.names.find(NameOf(path));
  return found == folder->second.names.end() ? nullptr : found->second;
}

void MemoryDisk::Change(Folder& folder, NameChange change) {
  folder.names.erase(change.name_gone);
  folder.names.erase(change.name);
  if (change.node != nullptr) folder.names[change.name] = change.node;
  folder.changes.push_back(std::move(change));
}

absl::StatusOr<uint64_t> MemoryDisk::FreeBytes(const std::string& /*folder*/) { return CapacityLeft(); }

uint64_t MemoryDisk::CapacityLeft() const {
  if (capacity_ == UINT64_MAX) return UINT64_MAX;
  return capacity_ - std::min(capacity_, bytes_used());
}

absl::Status MemoryDisk::WriteNode(Node& node, const std::string& path, uint64_t offset, std::string_view bytes) {
  bool half = false;
  absl::Status status = Begin(DiskCall::kWrite, path, &half);
  if (!status.ok()) bytes = half ? bytes.substr(0, bytes.size() / 2) : std::string_view();
  const uint64_t end = offset + bytes.size();
  const uint64_t growth = end - std::min(end, node.now.size());
  if (const uint64_t left = CapacityLeft(); growth > left) {
    bytes.remove_suffix(std::min<uint64_t>(growth - left, bytes.size()));
    ++refused_for_space_;
    if (status.ok()) status = absl::ResourceExhaustedError("no space left: " + path);
  }
  if (!bytes.empty()) {
    node.now.Write(offset, bytes);
    node.pieces.push_back({.call = calls_, .offset = offset, .bytes = std::string(bytes)});
  }
  return End(std::move(status));
}

absl::Status MemoryDisk::ResizeNode(Node& node, const std::string& path, uint64_t size) {
  absl::Status status = Begin(DiskCall::kTruncate, path);
  if (status.ok() && size > node.now.size() && size - node.now.size() > CapacityLeft()) {
    status = absl::ResourceExhaustedError("no space left: " + path);
    ++refused_for_space_;
  }
  if (status.ok()) {
    node.now.Resize(size);
    node.pieces.push_back({.call = calls_, .resize = size});
  }
  return End(std::move(status));
}

absl::Status MemoryDisk::SyncNode(Node& node, const std::string& path) {
  if (const absl::Status begun = Begin(DiskCall::kSync, path); !begun.ok()) {
    for (Piece& piece : node.pieces) piece.lost = true;
    return End(absl::InternalError(std::string(begun.message())));
  }
  std::vector<Piece> still_lost;
  for (Piece& piece : node.pieces) {
    if (piece.lost) {
      still_lost.push_back(std::move(piece));
    } else if (piece.resize) {
      node.durable.Resize(*piece.resize);
    } else {
      node.durable.Write(piece.offset, piece.bytes);
    }
  }
  node.pieces = std::move(still_lost);
  return End(absl::OkStatus());
}

}  // namespace regent::testing
