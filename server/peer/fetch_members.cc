#include "server/peer/fetch_members.h"

#include <arpa/inet.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "api/contract/status_macros.h"
#include "server/peer/byte_stream.h"
#include "server/peer/frame.h"
#include "server/peer/look_up.h"
#include "server/runtime/clock.h"
#include "server/runtime/system_error.h"

namespace regent::server {
namespace {

using Progress = ByteStream::Progress;

constexpr size_t kAnswerBytesMax = 4 << 20;

bool IsIp(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes;
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 || inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

// Until the socket is ready for `events`; false at the deadline.
bool AwaitSocket(int fd, short events, MonotonicTime deadline) {  // NOLINT: poll's type
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyNow()).count();
  pollfd ready{.fd = fd, .events = events};
  return left > 0 && poll(&ready, 1, static_cast<int>(left)) == 1;
}

absl::Status Late() { return absl::UnavailableError("no answer in time"); }

absl::StatusOr<ByteStream> Connect(const PeerUrl& url, const std::optional<TlsOptions>& tls, MonotonicTime deadline) {
  SocketAddress address = url.address;
  if (!address.is_unix && address.host != "localhost" && !IsIp(address.host)) {
    REGENT_ASSIGN_OR_RETURN(const std::vector<std::string> found, LookUp(address.host));
    address.host = found.front();
  }
  REGENT_ASSIGN_OR_RETURN(OwnedFd fd, BeginConnect(address));
  if (!AwaitSocket(fd.get(), POLLOUT, deadline)) return Late();
  if (const int error = ConnectError(fd.get()); error != 0) {
    return absl::UnavailableError("dial " + ToText(address) + ": " + SystemError(error));
  }
  SslHandle ssl;
  if (url.secure) {
    if (!tls.has_value()) return absl::InvalidArgumentError("the URL wants TLS, and this member has no certificate");
    REGENT_ASSIGN_OR_RETURN(ssl, NewClientTls(*tls, url.address.host));
  }
  ByteStream stream(std::move(fd), std::move(ssl));
  for (Progress progress = stream.Handshake(); progress != Progress::kDone; progress = stream.Handshake()) {
    if (progress != Progress::kWait) return absl::UnavailableError("TLS: " + stream.error());
    if (!AwaitSocket(stream.fd(), POLLIN, deadline)) return Late();
  }
  return stream;
}

absl::StatusOr<ClusterMembers> Ask(const PeerUrl& url, const std::optional<TlsOptions>& tls, MonotonicTime deadline) {
  REGENT_ASSIGN_OR_RETURN(ByteStream stream, Connect(url, tls, deadline));
  const std::string hello = EncodeHello({.lane = Lane::kMembers});
  if (stream.Write(hello).bytes != hello.size()) return absl::UnavailableError("the question could not be sent");
  FrameReader reader(kAnswerBytesMax);
  while (true) {
    const ByteStream::Moved moved = stream.Read(reader.Room());
    if (moved.progress == Progress::kWait) {
      if (!AwaitSocket(stream.fd(), POLLIN, deadline)) return Late();
      continue;
    }
    if (moved.progress != Progress::kDone) return absl::UnavailableError("it ends the connection without an answer");
    reader.Filled(moved.bytes);
    REGENT_ASSIGN_OR_RETURN(const std::optional<Frame> frame, reader.Next());
    if (!frame.has_value()) continue;
    if (frame->kind != FrameKind::kMembers) return absl::UnavailableError("it gives another answer");
    return DecodeMembers(frame->payload);
  }
}

}  // namespace

absl::StatusOr<ClusterMembers> FetchMembers(const std::vector<PeerUrl>& urls, const std::optional<TlsOptions>& tls,
                                            std::chrono::milliseconds patience_each) {
  absl::Status last = absl::UnavailableError("there is nobody to ask");
  for (const PeerUrl& url : urls) {
    absl::StatusOr<ClusterMembers> answer = Ask(url, tls, SteadyNow() + patience_each);
    if (answer.ok()) return answer;
    last = absl::UnavailableError(ToText(url.address) + ": " + std::string(answer.status().message()));
  }
  return last;
}

}  // namespace regent::server
