// Standard output, in large pieces. Whoever reads it may go away: `| head` is no error.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace regent::server {

class Output {
 public:
  // SIGPIPE must be ignored, so that a reader that went is seen as an error of the write.
  explicit Output(int descriptor) : descriptor_(descriptor) {}

  // Cancelled when nobody reads any more; other errors are the system's.
  [[nodiscard]] absl::Status Write(std::string_view text);
  [[nodiscard]] absl::Status Flush();

 private:
  const int descriptor_;
  std::string buffer_;
};

}  // namespace regent::server
