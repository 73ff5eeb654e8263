// Which unary requests of a connection start at once, and which wait because their answers would pile up: a client that
// asks for much and reads nothing must not fill the server's memory.
//
// Answers queued for the connection are counted exactly. What the running calls will add is estimated from the answers
// before them: a large one counts at once, small ones slowly win the trust back, and a new connection starts with
// little trust. The estimate forgets running calls at every tick, so that calls that wait for something (a lock) stop
// nobody.
//
// Owner: the connection.
#pragma once

#include <algorithm>
#include <cstddef>

namespace regent::server {

class AnswerBudget {
 public:
  static constexpr size_t kQueuedBytesMax = 32 * 1024 * 1024;
  static constexpr size_t kFirstGuessBytes = 1024 * 1024;
  // Larger requests are writes, whose answers are small: only what is really queued stops them.
  static constexpr size_t kSmallRequestBytes = 1024;

  bool MayStart(size_t request_bytes) const {
    if (queued_bytes_ >= kQueuedBytesMax) return false;
    if (unanswered_ == 0 || request_bytes > kSmallRequestBytes) return true;
    return queued_bytes_ + unanswered_ * guess_bytes_ < kQueuedBytesMax;
  }

  void OnStart() { ++unanswered_; }
  void OnAnswer(size_t answer_bytes) {
    unanswered_ -= unanswered_ > 0 ? 1 : 0;
    guess_bytes_ = std::max(answer_bytes, guess_bytes_ - guess_bytes_ / 8);
    queued_bytes_ += answer_bytes;
  }
  void OnQueued(size_t answer_bytes) { queued_bytes_ += answer_bytes; }  // more of an answer that is read as it leaves
  void OnGone(size_t answer_bytes) { queued_bytes_ -= answer_bytes; }    // sent or dropped
  void OnTick() {
    unanswered_ = 0;
    guess_bytes_ /= 2;
  }

  size_t queued_bytes() const { return queued_bytes_; }

 private:
  size_t queued_bytes_ = 0;
  size_t unanswered_ = 0;  // started since the last tick
  size_t guess_bytes_ = kFirstGuessBytes;
};

}  // namespace regent::server
