#include "server/peer/byte_stream.h"

#include <openssl/err.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "server/runtime/system_error.h"

namespace regent::server {
namespace {

// What OpenSSL's queue of errors holds, the oldest, which is the cause.
std::string TakeSslError() {
  const unsigned long code = ERR_get_error();  // NOLINT: OpenSSL's type
  ERR_clear_error();
  if (code == 0) return "the TLS connection broke";
  std::array<char, 256> text{};
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

}  // namespace

ByteStream::ByteStream(OwnedFd fd, SslHandle ssl) : fd_(std::move(fd)), ssl_(std::move(ssl)) {
  if (ssl_ == nullptr) return;
  SSL_set_fd(ssl_.get(), fd_.get());
  // A write that has to be repeated may come from another place in memory.
  SSL_set_mode(ssl_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

ByteStream::Progress ByteStream::Handshake() {
  if (ssl_ == nullptr) return Progress::kDone;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  return result == 1 ? Progress::kDone : FromSsl(result);
}

ByteStream::Moved ByteStream::Read(std::span<char> into) {
  if (ssl_ == nullptr) {
    const ssize_t size = recv(fd_.get(), into.data(), into.size(), 0);
    if (size > 0) return {Progress::kDone, static_cast<size_t>(size)};
    return {size == 0 ? Progress::kClosed : FromErrno(), 0};
  }
  ERR_clear_error();
  size_t bytes = 0;
  const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &bytes);
  return result == 1 ? Moved{Progress::kDone, bytes} : Moved{FromSsl(result), 0};
}

ByteStream::Moved ByteStream::Write(std::string_view data) {
  if (ssl_ == nullptr) {
    const ssize_t size = send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL);
    if (size >= 0) return {Progress::kDone, static_cast<size_t>(size)};
    return {FromErrno(), 0};
  }
  ERR_clear_error();
  size_t bytes = 0;
  const int result = SSL_write_ex(ssl_.get(), data.data(), data.size(), &bytes);
  return result == 1 ? Moved{Progress::kDone, bytes} : Moved{FromSsl(result), 0};
}

ByteStream::Progress ByteStream::FromSsl(int result) {
  const int system_error = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return Progress::kWait;
    case SSL_ERROR_ZERO_RETURN:
      return Progress::kClosed;
    case SSL_ERROR_SYSCALL:
      if (system_error == ECONNRESET || system_error == EPIPE) return Progress::kClosed;
      error_ = system_error == 0 ? "the connection ended without a word" : SystemError(system_error);
      return Progress::kFailed;
    default:
      error_ = TakeSslError();
      return Progress::kFailed;
  }
}

ByteStream::Progress ByteStream::FromErrno() {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return Progress::kWait;
  if (errno == ECONNRESET || errno == EPIPE) return Progress::kClosed;
  error_ = SystemError(errno);
  return Progress::kFailed;
}

}  // namespace regent::server
