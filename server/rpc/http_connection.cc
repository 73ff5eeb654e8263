#include "server/rpc/http_connection.h"

#include <glog/logging.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace regent::server {
namespace {

constexpr size_t kReadBytes = 16 * 1024;
constexpr size_t kDrainBytesMax = 1024 * 1024;  // what a refused client may still send before it is cut off

std::string_view RefusalText(int status) {
  switch (status) {
    case 413:
      return "413 Request Entity Too Large";
    case 431:
      return "431 Request Header Fields Too Large";
    case 501:
      return "501 Not Implemented: unsupported transfer encoding";
    case 505:
      return "505 HTTP Version Not Supported: unsupported protocol version";
    default:
      return "400 Bad Request";
  }
}

enum class Io { kSome, kWouldBlock, kEnded };

struct IoResult {
  Io outcome = Io::kEnded;
  size_t size_bytes = 0;
};

IoResult Classify(ssize_t result) {
  if (result > 0) return {Io::kSome, static_cast<size_t>(result)};
  if (result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {Io::kWouldBlock, 0};
  if (result < 0 && errno == EINTR) return {Io::kSome, 0};
  return {Io::kEnded, 0};
}

}  // namespace

HttpConnection::Phase HttpConnection::Advance() {
  bool more = true;
  while (more) {
    switch (phase_) {
      case Phase::kIdle:
      case Phase::kReceiving:
        more = Receive();
        break;
      case Phase::kSending:
        more = SendSome();
        break;
      case Phase::kClosing:
        more = Drain();
        break;
      case Phase::kAnswering:  // what arrives meanwhile stays in the socket's buffer
      case Phase::kClosed:
        more = false;
        break;
    }
  }
  return phase_;
}

bool HttpConnection::Receive() {
  if (ParseReceived()) return true;  // a request that came together with the one before
  std::array<char, kReadBytes> buffer;
  const IoResult got = Classify(recv(fd_.get(), buffer.data(), buffer.size(), 0));
  if (got.outcome == Io::kWouldBlock) return false;
  if (got.outcome == Io::kEnded) {
    phase_ = Phase::kClosed;
    return false;
  }
  received_.append(buffer.data(), got.size_bytes);
  if (!received_.empty()) phase_ = Phase::kReceiving;
  return true;
}

// True when the phase has changed.
bool HttpConnection::ParseReceived() {
  if (received_.empty()) return false;
  std::variant<HttpParsed, HttpIncomplete, HttpRefused> parsed = ParseHttpRequest(received_, limits_);
  if (std::holds_alternative<HttpIncomplete>(parsed)) return false;
  if (const auto* refused = std::get_if<HttpRefused>(&parsed)) {
    received_.clear();
    request_ = HttpRequest();
    StartSending(HttpResponse::Text(refused->status, std::string(RefusalText(refused->status))), /*keep_alive=*/false);
    return true;
  }
  auto& complete = std::get<HttpParsed>(parsed);
  received_.erase(0, complete.size_bytes);
  request_ = std::move(complete.request);
  phase_ = Phase::kAnswering;
  return true;
}

void HttpConnection::Answer(const HttpResponse& response) {
  CHECK(phase_ == Phase::kAnswering) << static_cast<int>(phase_);
  StartSending(response, request_.keep_alive);
}

void HttpConnection::StartSending(const HttpResponse& response, bool keep_alive) {
  keep_alive_ = keep_alive;
  unsent_ = EncodeHttpResponse(response, request_.method == "HEAD", keep_alive);
  request_.body = std::string();
  unsent_offset_ = 0;
  phase_ = Phase::kSending;
}

bool HttpConnection::SendSome() {
  const IoResult sent =
      Classify(send(fd_.get(), unsent_.data() + unsent_offset_, unsent_.size() - unsent_offset_, MSG_NOSIGNAL));
  if (sent.outcome == Io::kWouldBlock) return false;
  if (sent.outcome == Io::kEnded) {
    phase_ = Phase::kClosed;
    return false;
  }
  unsent_offset_ += sent.size_bytes;
  if (unsent_offset_ < unsent_.size()) return true;
  unsent_ = std::string();
  if (keep_alive_) {
    phase_ = received_.empty() ? Phase::kIdle : Phase::kReceiving;
    return true;
  }
  // Closing with unread bytes would reset the connection and could destroy the answer on its way.
  shutdown(fd_.get(), SHUT_WR);
  phase_ = Phase::kClosing;
  return true;
}

bool HttpConnection::Drain() {
  std::array<char, kReadBytes> buffer;
  const IoResult got = Classify(recv(fd_.get(), buffer.data(), buffer.size(), 0));
  drained_bytes_ += got.size_bytes;
  if (got.outcome == Io::kWouldBlock) return false;
  if (got.outcome == Io::kEnded || drained_bytes_ > kDrainBytesMax) phase_ = Phase::kClosed;
  return phase_ == Phase::kClosing;
}

}  // namespace regent::server
