// A connection that another member made to this one: hears who he is, answers, and takes his messages and notes.
//
// Owner: the transport's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/peer/byte_stream.h"
#include "server/peer/frame.h"
#include "server/peer/options.h"
#include "server/peer/peer_metrics.h"

namespace regent::server {

class Incoming {
 public:
  enum class State : uint8_t {
    kUndecided,  // it has not said who it is
    kOpen,       // a member, welcome
    kGone,       // the other side ended it
    kDropped,    // this side does not want it
  };

  struct Environment {
    const TransportOptions& options;
    const TransportEvents& events;
    std::function<PeerMetrics(raft::NodeId)> metrics_of;
  };

  Incoming(OwnedFd fd, SslHandle ssl, Environment environment, MonotonicTime deadline);

  // Reads and handles what has come, as much as a turn allows. True: there may be more.
  bool OnReadable();

  State state() const { return state_; }
  raft::NodeId from() const { return hello_.has_value() ? hello_->from : raft::kNobody; }
  // Meaningful when it is open: would it be let in again?
  bool StillWelcome() const { return !Judge(*hello_).has_value(); }
  const std::vector<PeerUrl>& urls() const { return hello_->urls; }  // likewise
  Lane lane() const { return hello_.has_value() ? hello_->lane : Lane::kRaft; }
  MonotonicTime deadline() const { return deadline_; }  // while undecided
  int fd() const { return stream_.fd(); }

 private:
  bool Handshake();
  void OnFrame(const Frame& frame);
  void OnHello(std::string_view payload);
  void AnswerMembers();
  std::optional<Refusal> Judge(const Hello& hello) const;
  void OnRaftMessage(std::string_view payload);
  void OnNote(std::string_view payload);
  void Drop(const std::string& why);

  const Environment environment_;
  const TransportOptions& options_;
  ByteStream stream_;
  const std::string peer_text_;
  const MonotonicTime deadline_;
  bool handshaken_ = false;
  State state_ = State::kUndecided;
  FrameReader reader_{kHelloBytesMax};
  std::optional<Hello> hello_;  // accepted
  std::optional<PeerMetrics> metrics_;
};

}  // namespace regent::server
