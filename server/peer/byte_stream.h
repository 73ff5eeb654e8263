// The bytes of one connection between members, plain or under TLS. Nothing blocks: a call says what it did and whether
// it is worth another try when the socket is ready again.
//
// Not safe for several threads at once: whoever owns the connection guards it.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "server/runtime/socket.h"

namespace regent::server {

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslHandle = std::unique_ptr<SSL, SslDeleter>;

class ByteStream {
 public:
  enum class Progress : uint8_t {
    kDone,    // some bytes moved, or the handshake is over
    kWait,    // again when the socket is readable or writable
    kClosed,  // the other side ended the stream, in order or by a reset
    kFailed,  // error() says why
  };
  struct Moved {
    Progress progress = Progress::kWait;
    size_t bytes = 0;  // more than 0 with kDone
  };

  // `ssl`: prepared to accept or to connect; null for a plain connection.
  explicit ByteStream(OwnedFd fd, SslHandle ssl = nullptr);

  int fd() const { return fd_.get(); }
  SSL* ssl() const { return ssl_.get(); }  // null: plain

  Progress Handshake();  // kDone at once when the connection is plain
  Moved Read(std::span<char> into);
  Moved Write(std::string_view bytes);

  const std::string& error() const { return error_; }

 private:
  Progress FromSsl(int result);
  Progress FromErrno();

  OwnedFd fd_;
  SslHandle ssl_;
  std::string error_;
};

}  // namespace regent::server
