// A snapshot: the store at one applied index as files in a folder, made by Engine::Checkpoint on one member and brought
// to another one piece by piece.
//
// What is received lies under a name of its own until it is whole and synced; only then the folder gets the name that a
// start looks for. (data_folder.h has the names.)
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "raft/types.h"
#include "storage/engine.h"
#include "storage/files.h"

namespace regent::storage {

// Up to where the store has applied the log, and who the members were then.
struct SnapshotFacts {
  raft::Index index;
  raft::Term term;
  raft::PlacedConfiguration configuration;
  bool operator==(const SnapshotFacts&) const = default;
};

struct SnapshotFile {
  std::string name;  // in the snapshot's folder
  uint64_t bytes = 0;
  bool operator==(const SnapshotFile&) const = default;
};

inline constexpr size_t kSnapshotFilesMax = 100'000;

// DataLoss when the store has applied nothing, or knows no configuration.
absl::StatusOr<SnapshotFacts> ReadSnapshotFacts(const Engine& engine);

// The files in the folder, by name.
absl::StatusOr<std::vector<SnapshotFile>> ListSnapshotFiles(Files& files, const std::string& folder);

// A folder without folders in it, whole; OK when there is none.
[[nodiscard]] absl::Status RemoveFolder(Files& files, const std::string& folder);

// About `bytes_max` of a file from `offset` on; fewer at its end.
absl::StatusOr<std::string> ReadSnapshotPiece(Files& files, const std::string& path, uint64_t offset, size_t bytes_max);

// Writes a snapshot that arrives in order. Owner: one job at a time.
class SnapshotWriter {
 public:
  // An empty folder takes the place of what an earlier attempt left there. InvalidArgument for a list that no member
  // makes; ResourceExhausted when the disk has too little room for all.
  static absl::StatusOr<std::unique_ptr<SnapshotWriter>> Begin(Files& files, std::string folder,
                                                               std::vector<SnapshotFile> list);

  // What is to come next; file() == the number of files: nothing.
  size_t file() const { return file_; }
  uint64_t offset() const { return offset_; }
  bool complete() const { return file_ == list_.size(); }

  // The bytes from there on, none beyond the end of the file. Each file is synced when it is whole.
  [[nodiscard]] absl::Status Write(std::string_view bytes);

 private:
  SnapshotWriter(Files& files, std::string folder, std::vector<SnapshotFile> list)
      : files_(files), folder_(std::move(folder)), list_(std::move(list)) {}
  absl::Status OpenNext();

  Files& files_;
  const std::string folder_;
  const std::vector<SnapshotFile> list_;
  size_t file_ = 0;
  uint64_t offset_ = 0;
  std::unique_ptr<File> open_;
};

}  // namespace regent::storage
