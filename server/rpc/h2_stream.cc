#include "server/rpc/h2_stream.h"

#include <utility>

namespace regent::server {

namespace {

void AddParts(const api::WireMessage& parts, ByteQueue& queue) {
  for (const api::SharedBytes& piece : parts) queue.Append(piece);
}

}  // namespace

void H2Stream::Add(const api::WireMessage& message, size_t size_bytes) {
  queue.Append(MessagePrefix(size_bytes));
  AddParts(message, queue);
}

void H2Stream::ReadFrom(std::unique_ptr<api::MessageSource> from) {
  source = std::move(from);
  source_bytes = source->size_bytes();
  queue.Append(MessagePrefix(source_bytes));
}

size_t H2Stream::Refill() {
  constexpr size_t kLittleBytes = 128 * 1024;
  const size_t before = queue.size_bytes();
  while (source != nullptr && queue.size_bytes() < kLittleBytes) {
    const size_t queued = queue.size_bytes();
    AddParts(source->Next(), queue);
    source_bytes -= queue.size_bytes() - queued;
    if (source_bytes == 0) source = nullptr;
  }
  return queue.size_bytes() - before;
}

}  // namespace regent::server
