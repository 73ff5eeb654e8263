// The rows of a store that no node has open, for looking at them: no file of the folder is changed, created or removed,
// and what is damaged is an error, not the end of the process.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace regent::storage {

class RocksReader {
 public:
  // DataLoss when the store cannot be opened; it names the damaged table where there is one.
  static absl::StatusOr<std::unique_ptr<RocksReader>> Open(const std::string& directory);
  virtual ~RocksReader() = default;

  // All rows in order. Memory: some blocks. DataLoss at the first damaged block; an error of `on_row` ends it.
  [[nodiscard]] virtual absl::Status ForEach(
      absl::FunctionRef<absl::Status(std::string_view row, std::string_view value)> on_row) = 0;

  // Reads every block of every file, those too that ForEach does not need.
  [[nodiscard]] virtual absl::Status VerifyChecksums() = 0;

  virtual uint64_t files() const = 0;
  virtual uint64_t bytes() const = 0;  // of them
};

}  // namespace regent::storage
