// The pieces of the gRPC protocol over HTTP/2 that are neither frames nor headers of HTTP: length-prefixed messages,
// time-outs and percent-encoded texts (the PROTOCOL-HTTP2 document of gRPC).
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace regent::server {

inline constexpr size_t kMessagePrefixBytes = 5;  // one byte "compressed", four bytes of length, big endian

// The prefix of a message of `size_bytes`, not compressed.
std::string MessagePrefix(size_t size_bytes);

// Cuts the bytes of a request stream into messages. Holds at most one incomplete message, never more than the limit.
class MessageReader {
 public:
  explicit MessageReader(size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  // Feeds bytes as they come and hands out whole messages. An error ends the stream: it is the status for the client.
  absl::Status Feed(std::string_view bytes, const std::function<void(std::string)>& on_message);

  // No bytes follow. What is wrong with ending here; OK between two messages.
  absl::Status End() const;

  size_t buffered_bytes() const { return prefix_.size() + message_.size(); }

  // The value of grpc-encoding, for the text of errors. Only "identity" is decoded.
  void set_encoding(std::string_view encoding) { encoding_ = encoding; }

 private:
  absl::Status CheckPrefix() const;

  const size_t message_bytes_max_;
  std::string encoding_;
  std::string prefix_;   // of the message that is coming
  std::string message_;  // what has come of it
  size_t size_bytes_ = 0;
};

// "10S", "250m": at most eight digits and a unit. Empty: malformed.
std::optional<std::chrono::nanoseconds> ParseGrpcTimeout(std::string_view text);

// The value of grpc-message.
std::string PercentEncode(std::string_view text);

}  // namespace regent::server
