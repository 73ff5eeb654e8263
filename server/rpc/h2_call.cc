#include "server/rpc/h2_call.h"

#include "server/rpc/grpc_wire.h"

namespace regent::server {

std::optional<std::string_view> H2Call::Metadata(std::string_view key) const {
  for (const auto& [name, value] : facts_.metadata) {
    if (name == key) return value;
  }
  return std::nullopt;
}

void H2Call::Send(api::WireMessage message) {
  if (facts_.is_unary) {
    answer_ = std::move(message);
    return;
  }
  if (finished_.load(std::memory_order_relaxed)) return;
  size_t size_bytes = kMessagePrefixBytes;
  for (const api::SharedBytes& piece : message) size_bytes += piece->size();
  facts_.unsent->fetch_add(size_bytes, std::memory_order_relaxed);
  outbox_->Post({.to = facts_.key, .message = std::move(message), .finish = std::nullopt});
}

void H2Call::SendFrom(std::unique_ptr<api::MessageSource> source) {
  if (!facts_.is_unary) return Call::SendFrom(std::move(source));
  source_ = std::move(source);
}

void H2Call::Finish(absl::Status status) {
  if (finished_.exchange(true)) return;
  Outgoing outgoing{.to = facts_.key, .message = std::nullopt, .finish = std::move(status)};
  // With an error the answer is left alone: another thread may be sending it at this moment.
  if (outgoing.finish->ok()) {
    outgoing.message = std::move(answer_);
    outgoing.source = std::move(source_);
  }
  outbox_->Post(std::move(outgoing));
}

void CallEvent::Run() {
  switch (kind) {
    case Kind::kUnary:
      return method->method.unary(std::move(call), message);
    case Kind::kOpen:
      stream->handler = method->method.stream(std::move(call));
      return;
    case Kind::kMessage:
      return stream->handler->OnMessage(message);
    case Kind::kHalfClose:
      return stream->handler->OnHalfClose();
    case Kind::kSent:
      return stream->handler->OnSent();
    case Kind::kDone:
      stream->handler->OnDone();
      stream->handler.reset();
      return;
  }
}

}  // namespace regent::server
