#include "storage/snapshot.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "api/contract/status_macros.h"
#include "raft/configuration.h"
#include "storage/configuration_row.h"
#include "storage/counters.h"
#include "storage/keys.h"

namespace regent::storage {
namespace {

constexpr size_t kNameBytesMax = 255;

bool IsFileName(const std::string& name) {
  return !name.empty() && name.size() <= kNameBytesMax && name != "." && name != ".." &&
         name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

absl::Status CheckList(const std::vector<SnapshotFile>& list) {
  if (list.empty() || list.size() > kSnapshotFilesMax) {
    return absl::InvalidArgumentError("a snapshot of " + std::to_string(list.size()) + " files");
  }
  for (size_t i = 0; i < list.size(); ++i) {
    if (!IsFileName(list[i].name)) return absl::InvalidArgumentError("a snapshot with a file of no name for a file");
    if (i > 0 && list[i - 1].name >= list[i].name) {
      return absl::InvalidArgumentError("a snapshot whose files are not in order");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SnapshotFacts> ReadSnapshotFacts(const Engine& engine) {
  std::string row;
  if (!engine.Get(kCountersRow, &row)) return absl::DataLossError("a snapshot that has applied nothing");
  const std::optional<Counters> counters = ParseCounters(row);
  if (!counters.has_value()) return absl::DataLossError("a snapshot with malformed counters");
  if (!engine.Get(kConfigurationRow, &row)) return absl::DataLossError("a snapshot that knows no members");
  const std::optional<raft::Entry> entry = ParseConfigurationRow(row);
  if (!entry.has_value()) return absl::DataLossError("a snapshot with a malformed configuration");
  const std::optional<raft::ConfigurationEntry> configuration = raft::DecodeConfigurationEntry(entry->data);
  if (!configuration.has_value()) return absl::DataLossError("a snapshot with a malformed configuration");
  return SnapshotFacts{.index = {counters->applied_index},
                       .term = {counters->applied_term},
                       .configuration = {.index = entry->index, .configuration = configuration->configuration}};
}

absl::StatusOr<std::vector<SnapshotFile>> ListSnapshotFiles(Files& files, const std::string& folder) {
  REGENT_ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(folder));
  std::vector<SnapshotFile> list;
  for (const std::string& name : names) {
    REGENT_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, files.Open(folder + "/" + name, OpenMode::kExisting));
    REGENT_ASSIGN_OR_RETURN(const uint64_t bytes, file->Size());
    list.push_back({.name = name, .bytes = bytes});
  }
  return list;
}

absl::Status RemoveFolder(Files& files, const std::string& folder) {
  REGENT_ASSIGN_OR_RETURN(const bool exists, files.Exists(folder));
  if (!exists) return absl::OkStatus();
  REGENT_ASSIGN_OR_RETURN(const std::vector<std::string> names, files.List(folder));
  for (const std::string& name : names) REGENT_RETURN_IF_ERROR(files.Remove(folder + "/" + name));
  return files.RemoveEmptyFolder(folder);
}

absl::StatusOr<std::string> ReadSnapshotPiece(Files& files, const std::string& path, uint64_t offset,
                                              size_t bytes_max) {
  REGENT_ASSIGN_OR_RETURN(const std::unique_ptr<File> file, files.Open(path, OpenMode::kExisting));
  std::string bytes(bytes_max, '\0');
  REGENT_ASSIGN_OR_RETURN(const size_t read, file->ReadAt(offset, bytes.data(), bytes.size()));
  bytes.resize(read);
  return bytes;
}

absl::StatusOr<std::unique_ptr<SnapshotWriter>> SnapshotWriter::Begin(Files& files, std::string folder,
                                                                      std::vector<SnapshotFile> list) {
  REGENT_RETURN_IF_ERROR(CheckList(list));
  REGENT_RETURN_IF_ERROR(RemoveFolder(files, folder));
  REGENT_RETURN_IF_ERROR(files.CreateFolder(folder));
  REGENT_ASSIGN_OR_RETURN(const uint64_t room, files.FreeBytes(folder));
  uint64_t left = room;
  for (const SnapshotFile& file : list) {
    if (file.bytes > left) return absl::ResourceExhaustedError("the disk has too little room for the snapshot");
    left -= file.bytes;
  }
  std::unique_ptr<SnapshotWriter> writer(new SnapshotWriter(files, std::move(folder), std::move(list)));
  REGENT_RETURN_IF_ERROR(writer->OpenNext());
  return writer;
}

absl::Status SnapshotWriter::Write(std::string_view bytes) {
  if (complete() || bytes.size() > list_[file_].bytes - offset_) {
    return absl::InvalidArgumentError("more bytes than the snapshot has");
  }
  REGENT_RETURN_IF_ERROR(open_->WriteAt(offset_, bytes));
  offset_ += bytes.size();
  if (offset_ < list_[file_].bytes) return absl::OkStatus();
  REGENT_RETURN_IF_ERROR(open_->SyncData());
  open_ = nullptr;
  ++file_;
  return OpenNext();
}

// The next file that has any bytes; those without are made on the way. The names are durable when all are there.
absl::Status SnapshotWriter::OpenNext() {
  offset_ = 0;
  for (; file_ < list_.size(); ++file_) {
    REGENT_ASSIGN_OR_RETURN(open_, files_.Open(folder_ + "/" + list_[file_].name, OpenMode::kCreateNew));
    if (list_[file_].bytes > 0) return absl::OkStatus();
    REGENT_RETURN_IF_ERROR(open_->SyncData());
    open_ = nullptr;
  }
  return files_.SyncFolder(folder_);
}

}  // namespace regent::storage
