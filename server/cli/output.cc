#include "server/cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace regent::server {
namespace {

constexpr size_t kBufferBytes = 64 << 10;

}  // namespace

absl::Status Output::Write(std::string_view text) {
  buffer_.append(text);
  return buffer_.size() < kBufferBytes ? absl::OkStatus() : Flush();
}

absl::Status Output::Flush() {
  for (std::string_view rest = buffer_; !rest.empty();) {
    const ssize_t count = ::write(descriptor_, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EPIPE) return absl::CancelledError("nobody reads the output any more");
    if (count < 0) {
      return absl::InternalError("the output cannot be written: " + std::generic_category().message(errno));
    }
    rest.remove_prefix(static_cast<size_t>(count));
  }
  buffer_.clear();
  return absl::OkStatus();
}

}  // namespace regent::server
