// The frames that two members exchange over a connection, and what they consist of.
//
//   stream    frame*
//   frame     bytes u32, checksum u32, kind u8, payload      numbers little-endian
//   bytes     of kind and payload, 1 or more
//   checksum  CRC-32C of bytes, kind and payload, as they lie in the stream
//
// The first frame of each side is a hello or its answer (hello.h); what may follow depends on the lane.
//
// Example: a refusal (kind 3) with the payload "no":
//   03 00 00 00  8c c7 87 a2  03 6e 6f
//
// A stream that breaks these rules is closed: whoever wrote it is no member, or something on the way is broken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace regent::server {

enum class FrameKind : uint8_t {
  kHello = 1,
  kWelcome = 2,
  kRefusal = 3,
  kRaftMessage = 4,  // message_codec.h
  kNote = 5,         // note_codec.h
  kMembers = 6,      // hello.h
};

inline constexpr size_t kFrameHeaderBytes = 8;

// Begin, append the payload, End.
std::string BeginFrame(FrameKind kind);
void EndFrame(std::string& frame);

struct Frame {
  FrameKind kind;  // any number: whoever reads the lane knows which ones belong there
  std::string_view payload;
};

// Takes bytes as they come and gives back whole frames. Memory grows with what has come, not with what was announced.
class FrameReader {
 public:
  explicit FrameReader(size_t frame_bytes_max) : frame_bytes_max_(frame_bytes_max) {}

  // Until the hello is done nobody deserves much memory.
  void SetFrameBytesMax(size_t frame_bytes_max) { frame_bytes_max_ = frame_bytes_max; }

  // Where the next bytes go, never empty; then how many of it were filled.
  std::span<char> Room();
  void Filled(size_t bytes) { end_ += bytes; }

  // The next frame, valid until the next call of Room; nullopt: more bytes are needed. DataLoss: the stream is broken,
  // and stays so.
  absl::StatusOr<std::optional<Frame>> Next();

  size_t held_bytes() const { return buffer_.capacity(); }

 private:
  std::string buffer_;
  size_t begin_ = 0;  // of what was not given back
  size_t end_ = 0;    // of what came
  size_t frame_bytes_max_;
};

}  // namespace regent::server
