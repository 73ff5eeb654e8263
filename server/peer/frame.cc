#include "server/peer/frame.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "storage/crc32c.h"
#include "storage/log_bytes.h"

namespace regent::server {
namespace {

constexpr size_t kRoomBytesMin = 64 * 1024;
constexpr size_t kKeptBytesMax = 1 << 20;  // by a reader that holds nothing

uint32_t Checksum(std::string_view size_field, std::string_view kind_and_payload) {
  return storage::ExtendCrc32c(storage::Crc32c(size_field), kind_and_payload);
}

}  // namespace

std::string BeginFrame(FrameKind kind) {
  std::string frame(kFrameHeaderBytes, '\0');
  frame.push_back(static_cast<char>(kind));
  return frame;
}

void EndFrame(std::string& frame) {
  storage::PutU32(frame.data(), static_cast<uint32_t>(frame.size() - kFrameHeaderBytes));
  const std::string_view written(frame);
  storage::PutU32(frame.data() + 4, Checksum(written.substr(0, 4), written.substr(kFrameHeaderBytes)));
}

std::span<char> FrameReader::Room() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (buffer_.size() > kKeptBytesMax) buffer_ = std::string();
  } else if (begin_ > buffer_.size() / 2) {
    buffer_.erase(0, begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  // Doubles as it fills up: an announced length costs nothing before its bytes are here.
  if (buffer_.size() - end_ < kRoomBytesMin) buffer_.resize(std::max(buffer_.size() * 2, end_ + kRoomBytesMin));
  return {buffer_.data() + end_, buffer_.size() - end_};
}

absl::StatusOr<std::optional<Frame>> FrameReader::Next() {
  const std::string_view held = std::string_view(buffer_).substr(begin_, end_ - begin_);
  if (held.size() < kFrameHeaderBytes) return std::nullopt;
  const size_t bytes = storage::GetU32(held.data());
  if (bytes == 0 || bytes > frame_bytes_max_) {
    return absl::DataLossError(absl::StrCat("a frame of ", bytes, " bytes, where 1 to ", frame_bytes_max_, " may be"));
  }
  if (held.size() - kFrameHeaderBytes < bytes) return std::nullopt;
  const std::string_view body = held.substr(kFrameHeaderBytes, bytes);
  if (Checksum(held.substr(0, 4), body) != storage::GetU32(held.data() + 4)) {
    return absl::DataLossError(absl::StrCat("a frame of ", bytes, " bytes with a wrong checksum"));
  }
  begin_ += kFrameHeaderBytes + bytes;
  return Frame{.kind = static_cast<FrameKind>(body[0]), .payload = body.substr(1)};
}

}  // namespace regent::server
