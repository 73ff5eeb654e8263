#include "storage/log_hard_state.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "api/contract/status_macros.h"
#include "storage/crc32c.h"
#include "storage/log_bytes.h"

namespace regent::storage {
namespace {

constexpr char kMagic[] = "RegntVot";
constexpr uint32_t kVersion = 1;
constexpr size_t kCopyBytes = 512;
constexpr size_t kFieldsEnd = 64;
constexpr const char* kNames[] = {"term-and-vote-1", "term-and-vote-2"};

struct Content {
  uint64_t generation = 0;
  LogIdentity identity;
  raft::HardState state;
};

uint32_t ChecksumOf(const std::string& bytes) {
  const std::string_view view = bytes;
  return ExtendCrc32c(Crc32c(view.substr(0, 12)), view.substr(16, kFieldsEnd - 16));
}

std::string Encode(const Content& content) {
  std::string bytes(kCopyBytes, '\0');
  char* at = bytes.data();
  std::memcpy(at, kMagic, 8);
  PutU32(at + 8, kVersion);
  PutU64(at + 16, content.generation);
  PutU64(at + 24, content.identity.cluster_id);
  PutU64(at + 32, content.identity.node_id);
  PutU64(at + 40, content.state.term.value);
  PutU64(at + 48, content.state.vote.value);
  PutU32(at + 12, ChecksumOf(bytes));
  return bytes;
}

absl::StatusOr<Content> Decode(const std::string& bytes) {
  if (bytes.size() < kFieldsEnd) return absl::DataLossError("it is cut off");
  const char* at = bytes.data();
  if (std::memcmp(at, kMagic, 8) != 0) return absl::DataLossError("its magic is missing");
  if (GetU32(at + 12) != ChecksumOf(bytes)) return absl::DataLossError("its checksum does not match");
  if (const uint32_t version = GetU32(at + 8); version != kVersion) {
    return absl::FailedPreconditionError("it has format version " + std::to_string(version) +
                                         ", this program knows version " + std::to_string(kVersion));
  }
  return Content{.generation = GetU64(at + 16),
                 .identity = {.cluster_id = GetU64(at + 24), .node_id = GetU64(at + 32)},
                 .state = {.term = {GetU64(at + 40)}, .vote = {GetU64(at + 48)}}};
}

}  // namespace

bool HardStateFiles::IsName(const std::string& name) { return name == kNames[0] || name == kNames[1]; }

HardStateFiles::HardStateFiles(Files& files, std::string directory, LogIdentity identity, LogMutant mutant)
    : files_(files), directory_(std::move(directory)), identity_(identity), mutant_(mutant) {}

std::string HardStateFiles::PathOf(size_t which) const { return directory_ + "/" + kNames[which]; }

absl::StatusOr<std::optional<raft::HardState>> HardStateFiles::Load(Log log) {
  bool valid = false;
  size_t damaged = 0;
  for (size_t which = 0; which < kCopies; ++which) {
    std::string damage;
    REGENT_ASSIGN_OR_RETURN(const std::optional<raft::HardState> state, LoadCopy(which, &copies_[which], &damage));
    if (state && copies_[which].generation > generation_) {
      generation_ = copies_[which].generation;
      state_ = *state;
    }
    valid |= state.has_value();
    if (damage.empty()) continue;
    damage_ += (damage_.empty() ? "" : "; ") + damage;
    ++damaged;
  }
  if (valid) return state_;
  // The second copy is written after the first one is synced: at most one is half done when nothing was ever saved.
  if (log == Log::kMissing && damaged < kCopies) return std::nullopt;
  return absl::DataLossError(
      "both copies of this member's term and vote are damaged or missing (" +
      (damage_.empty() ? PathOf(0) + " and " + PathOf(1) + " hold nothing" : damage_) +
      "): it could vote twice in one term. Restore the data directory from a snapshot, or remove this member from the "
      "cluster and add it again with an empty data directory");
}

// nullopt and `damage`: there is a file and it is not good. A file that is not there, or that a crash left empty before
// its first write was synced, is no damage by itself.
absl::StatusOr<std::optional<raft::HardState>> HardStateFiles::LoadCopy(size_t which, Copy* copy, std::string* damage) {
  absl::StatusOr<std::unique_ptr<File>> file = files_.Open(PathOf(which), OpenMode::kExisting);
  if (absl::IsNotFound(file.status())) return std::nullopt;
  if (!file.ok()) return file.status();
  copy->file = *std::move(file);
  std::string bytes(kCopyBytes, '\0');
  REGENT_ASSIGN_OR_RETURN(const size_t count, copy->file->ReadAt(0, bytes.data(), bytes.size()));
  bytes.resize(count);
  if (bytes.empty()) return std::nullopt;
  const absl::StatusOr<Content> content = Decode(bytes);
  if (absl::IsDataLoss(content.status())) {
    *damage = PathOf(which) + " at offset 0: " + std::string(content.status().message());
    return std::nullopt;
  }
  if (!content.ok())
    return absl::FailedPreconditionError(PathOf(which) + ": " + std::string(content.status().message()));
  if (content->identity != identity_) {
    return absl::FailedPreconditionError(PathOf(which) + " belongs to another cluster or another member");
  }
  copy->generation = content->generation;
  return content->state;
}

absl::Status HardStateFiles::Repair() {
  for (size_t which = 0; which < kCopies; ++which) {
    if (copies_[which].generation != 0 && copies_[which].generation == generation_) {
      REGENT_RETURN_IF_ERROR(copies_[which].file->SyncData());
    }
  }
  if (generation_ == 0) generation_ = 1;
  for (size_t which = 0; which < kCopies; ++which) {
    if (copies_[which].generation != generation_) REGENT_RETURN_IF_ERROR(WriteCopy(which, generation_));
  }
  return absl::OkStatus();
}

absl::Status HardStateFiles::Save(const raft::HardState& state) {
  state_ = state;
  ++generation_;
  if (mutant_ == LogMutant::kOneHardStateCopy) return WriteCopy(0, generation_);
  // The copy that a full disk left half written goes first: the other one is whole.
  const size_t first = copies_[1].generation == 0 ? 1 : 0;
  REGENT_RETURN_IF_ERROR(WriteCopy(first, generation_));
  return WriteCopy(1 - first, generation_);
}

absl::Status HardStateFiles::WriteCopy(size_t which, uint64_t generation) {
  Copy& copy = copies_[which];
  if (copy.file == nullptr) {
    REGENT_ASSIGN_OR_RETURN(copy.file, files_.Open(PathOf(which), OpenMode::kCreateNew));
  }
  copy.generation = 0;
  const Content content{.generation = generation, .identity = identity_, .state = state_};
  REGENT_RETURN_IF_ERROR(copy.file->WriteAt(0, Encode(content)));
  REGENT_RETURN_IF_ERROR(copy.file->SyncData());
  copy.generation = generation;
  return absl::OkStatus();
}

}  // namespace regent::storage
