#include "storage/reserve_file.h"

#include <memory>
#include <utility>

#include "api/contract/status_macros.h"

namespace regent::storage {

absl::Status ReserveFile::Hold() {
  absl::StatusOr<std::unique_ptr<File>> file = files_.Open(path_, OpenMode::kExisting);
  if (absl::IsNotFound(file.status())) file = files_.Open(path_, OpenMode::kCreateNew);
  if (!file.ok()) return file.status();
  const absl::Status allocated = (*file)->Allocate(bytes_);
  held_ = allocated.ok();
  if (held_) return absl::OkStatus();
  // What was taken of a disk that is nearly full is given back at once.
  file->reset();
  REGENT_RETURN_IF_ERROR(files_.Remove(path_));
  return allocated;
}

bool ReserveFile::GiveUp() {
  if (!held_) return false;
  held_ = false;
  return files_.Remove(path_).ok();
}

}  // namespace regent::storage
