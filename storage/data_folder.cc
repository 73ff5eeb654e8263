#include "storage/data_folder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

#include "api/contract/status_macros.h"
#include "storage/crc32c.h"

namespace regent::storage {
namespace {

constexpr std::string_view kTitle = "regent data folder\n";
constexpr std::string_view kFormat = "1";
constexpr std::string_view kIdentityName = "identity";
constexpr std::string_view kPointerName = "store-current";
constexpr std::string_view kNewSuffix = ".new";
constexpr std::string_view kStorePrefix = "store-";
constexpr std::string_view kChecksumWord = "checksum ";
constexpr size_t kSmallFileBytesMax = 64 << 10;

std::string ToHex(uint64_t number, size_t digits) {
  std::string text(digits, '0');
  for (size_t place = digits; place-- > 0; number >>= 4) text[place] = "0123456789abcdef"[number & 15];
  return text;
}

std::optional<uint64_t> FromHex(std::string_view text, size_t digits) {
  uint64_t number = 0;
  if (text.size() != digits) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string WithoutTrailingSlashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

// The folder and those above it, each durable in its parent.
absl::Status CreateFolders(Files& files, const std::string& folder) {
  REGENT_ASSIGN_OR_RETURN(const bool exists, files.Exists(folder));
  if (!exists) {
    const std::string parent = ParentOf(folder);
    if (parent != folder) REGENT_RETURN_IF_ERROR(CreateFolders(files, parent));
    REGENT_RETURN_IF_ERROR(files.CreateFolder(folder));
    return files.SyncFolder(parent);
  }
  return absl::OkStatus();
}

// The names in the folder; none when it does not exist.
absl::StatusOr<std::vector<std::string>> NamesIn(Files& files, const std::string& folder) {
  REGENT_ASSIGN_OR_RETURN(const bool exists, files.Exists(folder));
  if (!exists) return std::vector<std::string>();
  return files.List(folder);
}

bool AnyEndsWith(const std::vector<std::string>& names, std::string_view suffix) {
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return name.ends_with(suffix); });
}

bool Contains(const std::vector<std::string>& names, std::string_view wanted) {
  return std::find(names.begin(), names.end(), wanted) != names.end();
}

bool IsOwnName(const std::string& name) {
  constexpr std::array<std::string_view, 7> kNames = {"lock",         "wal",           "snap",    "reserve",
                                                      "identity.new", "store-current", "identity"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end() || name.starts_with(kStorePrefix);
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataFolder>> DataFolder::Open(Files& files, DataFolderOptions options) {
  std::unique_ptr<DataFolder> folder(new DataFolder(files, std::move(options)));
  REGENT_RETURN_IF_ERROR(folder->RefuseForeign(folder->member_));
  REGENT_RETURN_IF_ERROR(folder->PrepareFolders());
  REGENT_RETURN_IF_ERROR(folder->TakeLocks("stop it, or give another --data-dir"));
  REGENT_RETURN_IF_ERROR(folder->ReadIdentity());
  if (folder->complete_) REGENT_RETURN_IF_ERROR(folder->ReadStorePointer());
  if (folder->complete_) REGENT_RETURN_IF_ERROR(folder->CheckParts());
  return folder;
}

absl::StatusOr<std::unique_ptr<DataFolder>> DataFolder::OpenToLook(Files& files, DataFolderOptions options,
                                                                   std::vector<std::string>* damage) {
  std::unique_ptr<DataFolder> folder(new DataFolder(files, std::move(options)));
  REGENT_ASSIGN_OR_RETURN(const bool exists, files.Exists(folder->member_));
  if (!exists) {
    return absl::NotFoundError(folder->options_.data_dir + " is no data directory of Regent: there is no " +
                               folder->member_);
  }
  REGENT_RETURN_IF_ERROR(folder->RefuseForeign(folder->member_));
  REGENT_RETURN_IF_ERROR(folder->TakeLocks("stop it, or look at a copy of the directory"));
  const absl::Status identity = folder->ReadIdentity();
  if (!identity.ok() && !absl::IsDataLoss(identity)) return identity;
  if (!identity.ok()) damage->emplace_back(identity.message());
  if (identity.ok() && !folder->complete_) return folder;
  const absl::Status pointer = folder->ReadStorePointer();
  if (!pointer.ok() && !absl::IsDataLoss(pointer)) return pointer;
  if (!pointer.ok()) damage->emplace_back(pointer.message());
  return folder;
}

DataFolder::DataFolder(Files& files, DataFolderOptions options)
    : files_(files),
      options_(std::move(options)),
      member_(WithoutTrailingSlashes(options_.data_dir) + "/member"),
      wal_path_(options_.wal_dir.empty() ? member_ + "/wal" : WithoutTrailingSlashes(options_.wal_dir)) {}

// Before anything is created: what is there without our identity must be nothing, or what an interrupted first start
// left.
absl::Status DataFolder::RefuseForeign(const std::string& member) {
  REGENT_ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(files_, member));
  REGENT_ASSIGN_OR_RETURN(const std::vector<std::string> snap_names, NamesIn(files_, member + "/snap"));
  REGENT_ASSIGN_OR_RETURN(const std::vector<std::string> inner_wal_names, NamesIn(files_, member + "/wal"));
  REGENT_ASSIGN_OR_RETURN(const std::vector<std::string> wal_names, NamesIn(files_, wal_path_));
  if (Contains(snap_names, "db") || AnyEndsWith(inner_wal_names, ".wal") || AnyEndsWith(wal_names, ".wal")) {
    return absl::FailedPreconditionError(
        "data directory " + options_.data_dir +
        " holds the data of an etcd server, which Regent does not open in place: give another --data-dir (and "
        "--wal-dir) and restore a snapshot of that server into it");
  }
  if (Contains(names, kIdentityName)) return absl::OkStatus();
  for (const std::string& name : names) {
    if (IsOwnName(name)) continue;
    return absl::FailedPreconditionError("data directory " + options_.data_dir +
                                         " holds files that are not Regent's (" + member + "/" + name +
                                         "): give another --data-dir");
  }
  // The identity is durable before the first segment and before the pointer.
  if (Contains(names, kPointerName) || AnyEndsWith(inner_wal_names, ".log") || AnyEndsWith(wal_names, ".log")) {
    return absl::FailedPreconditionError(
        "data directory " + options_.data_dir + " has been in use, but " + member + "/" + std::string(kIdentityName) +
        ", which says by whom, is missing: restore the whole directory, or give an empty "
        "one (with an empty --wal-dir)");
  }
  return absl::OkStatus();
}

absl::Status DataFolder::PrepareFolders() {
  REGENT_RETURN_IF_ERROR(CreateFolders(files_, member_));
  REGENT_RETURN_IF_ERROR(CreateFolders(files_, snap_path()));
  return CreateFolders(files_, wal_path_);
}

absl::Status DataFolder::TakeLocks(const std::string& advice) {
  const auto take = [&](const std::string& folder, std::unique_ptr<FileLock>* lock) -> absl::Status {
    absl::StatusOr<std::unique_ptr<FileLock>> taken = files_.Lock(folder + "/lock");
    if (absl::IsFailedPrecondition(taken.status())) {
      return absl::FailedPreconditionError("data directory " + options_.data_dir +
                                           " is in use: " + std::string(taken.status().message()) + "; " + advice);
    }
    if (!taken.ok()) return taken.status();
    *lock = *std::move(taken);
    return absl::OkStatus();
  };
  REGENT_RETURN_IF_ERROR(take(member_, &lock_));
  if (!options_.wal_dir.empty()) REGENT_RETURN_IF_ERROR(take(wal_path_, &wal_lock_));
  return absl::OkStatus();
}

absl::Status DataFolder::ReadIdentity() {
  REGENT_ASSIGN_OR_RETURN(const std::optional<std::string> lines, ReadChecked(std::string(kIdentityName)));
  if (!lines) return absl::OkStatus();
  const std::string path = member_ + "/" + std::string(kIdentityName);
  std::string_view rest = *lines;
  if (!rest.starts_with(kTitle))
    return absl::FailedPreconditionError(path + " is not the identity of a Regent data folder");
  rest.remove_prefix(kTitle.size());
  NodeFacts facts;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const std::string_view word = line.substr(0, line.find(' '));
    const std::string_view value = line.substr(std::min(word.size() + 1, line.size()));
    if (word == "format" && value != kFormat) {
      return absl::FailedPreconditionError("data directory " + options_.data_dir + " has format version " +
                                           std::string(value) + ", this program knows version " + std::string(kFormat) +
                                           ": start the version of Regent that wrote it");
    }
    if (word == "cluster") facts.identity.cluster_id = FromHex(value, 16).value_or(0);
    if (word == "node") facts.identity.node_id = FromHex(value, 16).value_or(0);
    if (word == "incarnation") facts.incarnation = FromHex(value, 16).value_or(0);
    if (word == "name") facts.name = std::string(value);
    if (word == "complete") complete_ = value == "1";
  }
  facts_ = facts;
  return absl::OkStatus();
}

absl::Status DataFolder::ReadStorePointer() {
  REGENT_ASSIGN_OR_RETURN(const std::optional<std::string> lines, ReadChecked(std::string(kPointerName)));
  const std::string path = member_ + "/" + std::string(kPointerName);
  if (!lines) return absl::DataLossError(path + ", which says which store counts, is missing");
  std::string_view value = *lines;
  if (!value.starts_with(kStorePrefix) || !value.ends_with('\n'))
    return absl::DataLossError(path + " is damaged at offset 0: it names no store");
  value.remove_prefix(kStorePrefix.size());
  value.remove_suffix(1);
  const std::optional<uint64_t> generation = FromHex(value, 16);
  if (!generation) return absl::DataLossError(path + " is damaged at offset 0: it names no store");
  store_generation_ = *generation;
  store_known_ = true;
  return absl::OkStatus();
}

absl::Status DataFolder::CheckParts() {
  REGENT_ASSIGN_OR_RETURN(const std::vector<std::string> wal_names, files_.List(wal_path_));
  if (!AnyEndsWith(wal_names, ".log")) {
    return absl::FailedPreconditionError("data directory " + options_.data_dir +
                                         " has been in use, but its log is not in " + wal_path_ +
                                         ": start with the --wal-dir that it was made with");
  }
  REGENT_ASSIGN_OR_RETURN(const bool exists, files_.Exists(store_path()));
  if (!exists) return absl::DataLossError("the store " + store_path() + " is missing");
  return absl::OkStatus();
}

absl::Status DataFolder::Claim(const NodeFacts& facts) {
  if (facts.name.find('\n') != std::string::npos) return absl::InvalidArgumentError("a member name has no line break");
  if (facts_ && facts_->identity != facts.identity) {
    const auto words = [](const NodeFacts& owner) {
      return "member " + ToHex(owner.identity.node_id, 16) + " (" + owner.name + ") of cluster " +
             ToHex(owner.identity.cluster_id, 16);
    };
    return absl::FailedPreconditionError("data directory " + options_.data_dir + " belongs to " + words(*facts_) +
                                         ", not to " + words(facts) + ": give another --data-dir");
  }
  if (facts_ == facts) return absl::OkStatus();
  facts_ = facts;
  return WriteIdentity();
}

absl::Status DataFolder::Complete() {
  if (complete_) return absl::OkStatus();
  REGENT_RETURN_IF_ERROR(
      Replace(std::string(kPointerName), std::string(kStorePrefix) + ToHex(store_generation_, 16) + "\n"));
  complete_ = true;
  return WriteIdentity();
}

absl::Status DataFolder::SwitchStore() {
  const std::string next = std::string(kStorePrefix) + ToHex(store_generation_ + 1, 16);
  // The name of the new store is durable no later than the pointer to it.
  REGENT_RETURN_IF_ERROR(files_.SyncFolder(member_));
  REGENT_RETURN_IF_ERROR(Replace(std::string(kPointerName), next + "\n"));
  ++store_generation_;
  return absl::OkStatus();
}

absl::Status DataFolder::RemoveOldStores() {
  REGENT_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(member_));
  for (const std::string& name : names) {
    const bool store =
        name.starts_with(kStorePrefix) && FromHex(std::string_view(name).substr(kStorePrefix.size()), 16);
    const std::string path = member_ + "/" + name;
    if (!store || path == store_path()) continue;
    REGENT_ASSIGN_OR_RETURN(const std::vector<std::string> inner, files_.List(path));
    for (const std::string& file : inner) REGENT_RETURN_IF_ERROR(files_.Remove(path + "/" + file));
    REGENT_RETURN_IF_ERROR(files_.RemoveEmptyFolder(path));
  }
  return files_.SyncFolder(member_);
}

absl::Status DataFolder::WriteIdentity() {
  return Replace(std::string(kIdentityName), std::string(kTitle) + "format " + std::string(kFormat) + "\ncluster " +
                                                 ToHex(facts_->identity.cluster_id, 16) + "\nnode " +
                                                 ToHex(facts_->identity.node_id, 16) + "\nincarnation " +
                                                 ToHex(facts_->incarnation, 16) + "\nname " + facts_->name +
                                                 "\ncomplete " + (complete_ ? "1" : "0") + "\n");
}

absl::Status DataFolder::Replace(const std::string& name, const std::string& lines) {
  const std::string path = member_ + "/" + name;
  const std::string beside = path + std::string(kNewSuffix);
  REGENT_ASSIGN_OR_RETURN(const bool left_over, files_.Exists(beside));
  if (left_over) REGENT_RETURN_IF_ERROR(files_.Remove(beside));
  REGENT_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, files_.Open(beside, OpenMode::kCreateNew));
  REGENT_RETURN_IF_ERROR(file->WriteAt(0, lines + std::string(kChecksumWord) + ToHex(Crc32c(lines), 8) + "\n"));
  REGENT_RETURN_IF_ERROR(file->SyncData());
  REGENT_RETURN_IF_ERROR(files_.Rename(beside, path));
  return files_.SyncFolder(member_);
}

// The lines before the checksum's, when it matches; nullopt when there is no such file.
absl::StatusOr<std::optional<std::string>> DataFolder::ReadChecked(const std::string& name) {
  const std::string path = member_ + "/" + name;
  absl::StatusOr<std::unique_ptr<File>> file = files_.Open(path, OpenMode::kExisting);
  if (absl::IsNotFound(file.status())) return std::nullopt;
  if (!file.ok()) return file.status();
  std::string bytes(kSmallFileBytesMax, '\0');
  REGENT_ASSIGN_OR_RETURN(const size_t count, (*file)->ReadAt(0, bytes.data(), bytes.size()));
  bytes.resize(count);
  // After a crash of the process alone its name may not be durable yet, and decisions are built on it.
  REGENT_RETURN_IF_ERROR(files_.SyncFolder(member_));
  const std::string_view view = bytes;
  const size_t line = kChecksumWord.size() + 8 + 1;
  if (view.size() >= line && view.ends_with('\n')) {
    const std::string_view lines = view.substr(0, view.size() - line);
    const std::string_view last = view.substr(lines.size());
    if (last.starts_with(kChecksumWord) && last.substr(kChecksumWord.size(), 8) == ToHex(Crc32c(lines), 8)) {
      return std::string(lines);
    }
  }
  return absl::DataLossError(path + " is damaged at offset 0: its checksum does not match");
}

std::string DataFolder::StorePath(uint64_t generation) const {
  return member_ + "/" + std::string(kStorePrefix) + ToHex(generation, 16);
}

}  // namespace regent::storage
