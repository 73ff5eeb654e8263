// Any bytes as the stream of a peer: hello, then frames with raft messages, read as the transport reads them. What
// decodes must encode to bytes that mean the same.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "server/peer/frame.h"
#include "server/peer/hello.h"
#include "server/peer/message_codec.h"
#include "server/peer/note_codec.h"

namespace {

using namespace regent;  // NOLINT: the whole file is about it

void Handle(const server::Frame& frame) {
  if (frame.kind == server::FrameKind::kHello) {
    const auto hello = server::DecodeHello(frame.payload);
    if (hello.ok()) (void)server::CommonVersion(*hello);
    return;
  }
  if (frame.kind == server::FrameKind::kRefusal) return (void)server::DecodeRefusal(frame.payload);
  if (frame.kind == server::FrameKind::kWelcome) return (void)server::DecodeWelcome(frame.payload);
  if (frame.kind == server::FrameKind::kNote) {
    const auto note = server::DecodeNote(frame.payload);
    if (!note.ok()) return;
    std::string again;
    server::AppendNote(again, *note);
    const auto second = server::DecodeNote(again);
    if (!second.ok() || *second != *note) std::abort();
    return;
  }
  const auto message = server::DecodeMessage(frame.payload, {1}, {2});
  if (!message.ok()) return;
  std::string again;
  server::AppendMessage(again, *message);
  const auto second = server::DecodeMessage(again, {1}, {2});
  if (!second.ok() || *second != *message) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // The first byte says how the stream is cut, and whether frames get their checksum from here: a fuzzer cannot guess
  // it.
  if (size < 2) return 0;
  const size_t piece = 1 + (data[0] >> 1);
  std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  if ((data[0] & 1) != 0) {
    std::string frame = server::BeginFrame(static_cast<server::FrameKind>(bytes[0]));
    frame += bytes.substr(1);
    server::EndFrame(frame);
    bytes = frame;
  }
  server::FrameReader reader(1 << 16);
  for (size_t at = 0; at < bytes.size();) {
    const auto room = reader.Room();
    const size_t part = std::min({room.size(), piece, bytes.size() - at});
    std::memcpy(room.data(), bytes.data() + at, part);
    reader.Filled(part);
    at += part;
    while (true) {
      const auto frame = reader.Next();
      if (!frame.ok()) return 0;
      if (!frame->has_value()) break;
      Handle(**frame);
    }
  }
  return 0;
}
