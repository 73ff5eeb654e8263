#include "server/rpc/grpc_wire.h"

#include <algorithm>
#include <utility>

namespace regent::server {
namespace {

uint32_t SizeOf(std::string_view prefix) {
  uint32_t size = 0;
  for (size_t i = 1; i < kMessagePrefixBytes; ++i) size = size << 8 | static_cast<unsigned char>(prefix[i]);
  return size;
}

}  // namespace

std::string MessagePrefix(size_t size_bytes) {
  std::string prefix(kMessagePrefixBytes, '\0');
  for (size_t i = 0; i < 4; ++i) prefix[1 + i] = static_cast<char>(size_bytes >> (24 - 8 * i) & 0xff);
  return prefix;
}

absl::Status MessageReader::Feed(std::string_view bytes, const std::function<void(std::string)>& on_message) {
  while (!bytes.empty()) {
    if (prefix_.size() < kMessagePrefixBytes) {
      const size_t size = std::min(kMessagePrefixBytes - prefix_.size(), bytes.size());
      prefix_.append(bytes.substr(0, size));
      bytes.remove_prefix(size);
      if (prefix_.size() < kMessagePrefixBytes) break;
      if (absl::Status status = CheckPrefix(); !status.ok()) return status;
      size_bytes_ = SizeOf(prefix_);
    }
    const size_t size = std::min(size_bytes_ - message_.size(), bytes.size());
    message_.append(bytes.substr(0, size));
    bytes.remove_prefix(size);
    if (message_.size() < size_bytes_) break;
    prefix_.clear();
    on_message(std::exchange(message_, {}));
  }
  return absl::OkStatus();
}

// In the words of Go's implementation.
absl::Status MessageReader::CheckPrefix() const {
  const size_t size_bytes = SizeOf(prefix_);
  if (size_bytes > message_bytes_max_) {
    return absl::ResourceExhaustedError("grpc: received message larger than max (" + std::to_string(size_bytes) +
                                        " vs. " + std::to_string(message_bytes_max_) + ")");
  }
  if (prefix_[0] == 0) return absl::OkStatus();
  if (prefix_[0] != 1) {
    return absl::InternalError("grpc: received unexpected payload format " +
                               std::to_string(static_cast<unsigned char>(prefix_[0])));
  }
  if (encoding_.empty() || encoding_ == "identity") {
    return absl::InternalError("grpc: compressed flag set with identity or empty encoding");
  }
  return absl::UnimplementedError("grpc: Decompressor is not installed for grpc-encoding \"" + encoding_ + "\"");
}

absl::Status MessageReader::End() const {
  if (prefix_.empty()) return absl::OkStatus();
  return absl::InternalError("unexpected EOF");
}

std::optional<std::chrono::nanoseconds> ParseGrpcTimeout(std::string_view text) {
  using std::chrono::nanoseconds;
  if (text.size() < 2 || text.size() > 9) return std::nullopt;
  int64_t count = 0;
  for (const char digit : text.substr(0, text.size() - 1)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    count = 10 * count + (digit - '0');
  }
  switch (text.back()) {
    case 'H':  // eight digits of hours are more nanoseconds than there are
      return std::chrono::hours(std::min<int64_t>(count, 24 * 365 * 100));
    case 'M':
      return std::chrono::minutes(count);
    case 'S':
      return std::chrono::seconds(count);
    case 'm':
      return std::chrono::milliseconds(count);
    case 'u':
      return std::chrono::microseconds(count);
    case 'n':
      return nanoseconds(count);
    default:
      return std::nullopt;
  }
}

std::string PercentEncode(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kDigits[byte >> 4];
    encoded += kDigits[byte & 15];
  }
  return encoded;
}

}  // namespace regent::server
