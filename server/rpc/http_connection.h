// One HTTP/1.1 connection: receives a request, waits for its answer, sends it, and begins again.
//
// Owned and called by the listener's thread alone. It never blocks: Advance does what the socket allows and says what
// it waits for; the socket is watched edge-triggered, so Advance always goes on until the socket would block.
//
//   receiving ──request complete──▶ answering ──Answer()──▶ sending ──all sent──▶ receiving (keep-alive)
//       │ refused                                              └──close──▶ closing (until the peer has closed)
//       └──────────────────────────────────────────────────────▶ sending, then closing
#pragma once

#include <cstddef>
#include <string>

#include "server/rpc/http_message.h"
#include "server/runtime/socket.h"

namespace regent::server {

class HttpConnection {
 public:
  enum class Phase { kIdle, kReceiving, kAnswering, kSending, kClosing, kClosed };

  HttpConnection(OwnedFd fd, HttpLimits limits) : fd_(std::move(fd)), limits_(limits) {}

  // After an event of the socket and after Answer. On a return to kAnswering, `request()` is to be answered once.
  Phase Advance();

  const HttpRequest& request() const { return request_; }

  // The answer to request(). REQUIRES: kAnswering.
  void Answer(const HttpResponse& response);

  // What the connection holds of requests: received bytes and the body that is being answered.
  size_t held_bytes() const { return received_.size() + request_.body.size(); }

  Phase phase() const { return phase_; }
  int fd() const { return fd_.get(); }

 private:
  // Each does its phase's work; false: nothing more to do until the next event.
  bool Receive();
  bool SendSome();
  bool Drain();
  bool ParseReceived();
  void StartSending(const HttpResponse& response, bool keep_alive);

  OwnedFd fd_;
  const HttpLimits limits_;
  Phase phase_ = Phase::kIdle;
  std::string received_;  // at most a request's limits and one read
  HttpRequest request_;
  std::string unsent_;
  size_t unsent_offset_ = 0;
  bool keep_alive_ = true;
  size_t drained_bytes_ = 0;
};

}  // namespace regent::server
