#include "server/peer/incoming.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/peer/message_codec.h"
#include "server/peer/note_codec.h"
#include "server/runtime/json_log.h"

namespace regent::server {
namespace {

using Progress = ByteStream::Progress;

constexpr size_t kBytesPerTurn = 1 << 20;  // then others are looked after

// "10.0.0.7:40312" and "[::1]:40312" without the port.
std::string HostOf(const std::string& peer_text) {
  const size_t colon = peer_text.rfind(':');
  if (colon == std::string::npos) return "";
  if (peer_text[0] == '[') return peer_text.substr(1, colon - 2);
  return peer_text.substr(0, colon);
}

}  // namespace

Incoming::Incoming(OwnedFd fd, SslHandle ssl, Environment environment, MonotonicTime deadline)
    : environment_(std::move(environment)),
      options_(environment_.options),
      stream_(std::move(fd), std::move(ssl)),
      peer_text_(PeerText(stream_.fd())),
      deadline_(deadline) {}

bool Incoming::OnReadable() {
  if (!handshaken_ && !Handshake()) return false;
  size_t taken = 0;
  while (state_ == State::kUndecided || state_ == State::kOpen) {
    if (taken >= kBytesPerTurn) return true;
    const ByteStream::Moved moved = stream_.Read(reader_.Room());
    if (moved.progress == Progress::kWait) return false;
    if (moved.progress == Progress::kFailed) {
      Drop(stream_.error());
      return false;
    }
    if (moved.progress == Progress::kClosed) {
      state_ = State::kGone;
      return false;
    }
    taken += moved.bytes;
    reader_.Filled(moved.bytes);
    if (metrics_.has_value()) metrics_->received_bytes.Increment(moved.bytes);
    while (state_ == State::kUndecided || state_ == State::kOpen) {
      const absl::StatusOr<std::optional<Frame>> frame = reader_.Next();
      if (!frame.ok()) Drop(std::string(frame.status().message()));
      if (!frame.ok() || !frame->has_value()) break;
      OnFrame(**frame);
    }
  }
  return false;
}

bool Incoming::Handshake() {
  const Progress progress = stream_.Handshake();
  if (progress == Progress::kWait) return false;
  if (progress != Progress::kDone) {
    Drop("TLS: " + stream_.error());
    return false;
  }
  handshaken_ = true;
  if (!options_.tls.has_value()) return true;
  const absl::Status allowed = CheckCaller(stream_, *options_.tls, HostOf(peer_text_));
  if (!allowed.ok()) Drop(std::string(allowed.message()));
  return allowed.ok();
}

void Incoming::OnFrame(const Frame& frame) {
  if (state_ == State::kUndecided) {
    if (frame.kind != FrameKind::kHello) return Drop("the first frame is not a hello");
    return OnHello(frame.payload);
  }
  if (frame.kind == FrameKind::kRaftMessage && hello_->lane == Lane::kRaft) return OnRaftMessage(frame.payload);
  if (frame.kind == FrameKind::kNote) return OnNote(frame.payload);
  Drop(absl::StrCat("a frame of the kind ", static_cast<int>(frame.kind), ", which does not belong here"));
}

void Incoming::OnHello(std::string_view payload) {
  const absl::StatusOr<Hello> hello = DecodeHello(payload);
  if (!hello.ok()) return Drop(std::string(hello.status().message()));
  if (hello->lane == Lane::kMembers) return AnswerMembers();
  if (const std::optional<Refusal> refusal = Judge(*hello)) {
    stream_.Write(EncodeRefusal(*refusal));
    return Drop("refused member " + Hexadecimal(hello->from.value) + ": " + refusal->text);
  }
  const std::string welcome = EncodeWelcome(*CommonVersion(*hello));
  if (stream_.Write(welcome).bytes != welcome.size()) return Drop("the welcome could not be sent");
  hello_ = *hello;
  metrics_.emplace(environment_.metrics_of(hello->from));
  reader_.SetFrameBytesMax(options_.frame_bytes_max);
  state_ = State::kOpen;
}

void Incoming::AnswerMembers() {
  if (environment_.events.members) {
    stream_.Write(EncodeMembers({.cluster_id = options_.cluster_id, .members = environment_.events.members()}));
  }
  state_ = State::kDropped;
}

std::optional<Refusal> Incoming::Judge(const Hello& hello) const {
  if (hello.cluster_id != options_.cluster_id) {
    return Refusal{RefusalReason::kCluster, "this member is of the cluster " + Hexadecimal(options_.cluster_id) +
                                                ", not of " + Hexadecimal(hello.cluster_id)};
  }
  if (hello.to != options_.self) {
    return Refusal{RefusalReason::kNotMe,
                   "here is member " + Hexadecimal(options_.self.value) + ", not " + Hexadecimal(hello.to.value)};
  }
  if (hello.from == options_.self) return Refusal{RefusalReason::kOther, "another process uses this member's id"};
  if (!CommonVersion(hello).has_value()) {
    return Refusal{RefusalReason::kVersion,
                   absl::StrCat("this member speaks the versions ", kPeerVersionMin, " to ", kPeerVersionMax,
                                ", the other one ", hello.version_min, " to ", hello.version_max)};
  }
  if (hello.lane != Lane::kRaft && hello.lane != Lane::kBulk) return Refusal{RefusalReason::kOther, "an unknown lane"};
  return environment_.events.admit ? environment_.events.admit(hello) : std::nullopt;
}

void Incoming::OnRaftMessage(std::string_view payload) {
  absl::StatusOr<raft::Message> message = DecodeMessage(payload, hello_->from, options_.self);
  if (!message.ok()) {
    metrics_->received_failures.Increment();
    return Drop(std::string(message.status().message()));
  }
  environment_.events.on_message(*std::move(message));
}

void Incoming::OnNote(std::string_view payload) {
  absl::StatusOr<PeerNote> note = DecodeNote(payload);
  if (!note.ok()) {
    metrics_->received_failures.Increment();
    return Drop(std::string(note.status().message()));
  }
  environment_.events.on_note(hello_->from, *std::move(note));
}

void Incoming::Drop(const std::string& why) {
  state_ = State::kDropped;
  LOG_EVERY_N(WARNING, 10) << "dropped a connection to the peer port" << Field("remote-addr", peer_text_)
                           << Field("error", why);
}

}  // namespace regent::server
