#include "storage/reserve_file.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "api/contract/status_macros.h"

namespace regent::storage {

absl::Status ReserveFile::Hold() {
  absl::StatusOr<std::unique_ptr<File>> file = files_.Open(path_, OpenMode::kExisting);
  if (absl::IsNotFound(file.status())) file = files_.Open(path_, OpenMode::kCreateNew);
  if (!file.ok()) return file.status();
  REGENT_ASSIGN_OR_RETURN(const uint64_t size, (*file)->Size());
  REGENT_ASSIGN_OR_RETURN(const uint64_t free_bytes, files_.FreeBytes(path_.substr(0, path_.find_last_of('/') + 1)));
  // A quarter more, so that it is not taken and given up in turn.
  absl::Status held = absl::ResourceExhaustedError("too little space for " + path_);
  if (size >= sizes_.bytes || free_bytes >= sizes_.bytes - size + sizes_.bytes / 4) {
    held = (*file)->Allocate(sizes_.bytes);
  }
  held_ = held.ok();
  space_is_low_ = absl::IsResourceExhausted(held);
  if (held_) return absl::OkStatus();
  REGENT_RETURN_IF_ERROR(KeepForStart(**file, free_bytes));
  return held;
}

// What was taken of a disk that is nearly full is given back at once.
absl::Status ReserveFile::KeepForStart(File& file, uint64_t free_bytes) {
  REGENT_ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  if (size > sizes_.for_start_bytes) return file.Truncate(sizes_.for_start_bytes);
  if (free_bytes / 2 < sizes_.for_start_bytes - size) return absl::OkStatus();
  const absl::Status kept = file.Allocate(sizes_.for_start_bytes);
  return absl::IsResourceExhausted(kept) ? file.Truncate(0) : kept;
}

bool ReserveFile::GiveUp() {
  if (!held_) return false;
  held_ = false;
  space_is_low_ = true;
  const absl::StatusOr<std::unique_ptr<File>> file = files_.Open(path_, OpenMode::kExisting);
  return file.ok() && (*file)->Truncate(sizes_.for_start_bytes).ok();
}

absl::Status ReserveFile::GiveUpForStart() {
  held_ = false;
  space_is_low_ = true;
  const absl::StatusOr<std::unique_ptr<File>> file = files_.Open(path_, OpenMode::kExisting);
  if (absl::IsNotFound(file.status())) return absl::OkStatus();
  return file.ok() ? (*file)->Truncate(0) : file.status();
}

}  // namespace regent::storage
