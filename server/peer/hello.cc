#include "server/peer/hello.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "api/contract/status_macros.h"
#include "api/contract/wire.h"
#include "server/peer/frame.h"
#include "storage/command.h"
#include "storage/log_bytes.h"
#include "storage/row_reader.h"

namespace regent::server {
namespace {

constexpr std::string_view kMagic = "REGENT PEER\n";
constexpr size_t kNumbersBytes = 2 + 2 + 1 + 3 * 8;
constexpr size_t kUrlNumbersBytes = 1 + 2 + 2;
constexpr uint8_t kSecureFlag = 1, kUnixFlag = 2;

void AppendU16(std::string& out, uint16_t value) {
  out.push_back(static_cast<char>(value & 0xff));
  out.push_back(static_cast<char>(value >> 8));
}

uint16_t GetU16(std::string_view bytes) {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes[0]) | static_cast<uint8_t>(bytes[1]) << 8);
}

void AppendUrls(std::string& out, const std::vector<PeerUrl>& urls) {
  const size_t count_at = out.size();
  out.push_back(0);
  for (const PeerUrl& url : urls) {
    const std::string& host = url.address.host;
    if (host.size() > kHelloHostBytesMax || static_cast<size_t>(out[count_at]) == kHelloUrlsMax) continue;
    ++out[count_at];
    out.push_back(static_cast<char>((url.secure ? kSecureFlag : 0) | (url.address.is_unix ? kUnixFlag : 0)));
    AppendU16(out, url.address.port);
    AppendU16(out, static_cast<uint16_t>(host.size()));
    out += host;
  }
}

// Takes them from the front of `bytes`.
absl::StatusOr<std::vector<PeerUrl>> TakeUrls(std::string_view& bytes) {
  std::vector<PeerUrl> urls;
  if (bytes.empty()) return urls;
  const auto count = static_cast<uint8_t>(bytes[0]);
  bytes.remove_prefix(1);
  if (count > kHelloUrlsMax) return absl::InvalidArgumentError("a hello with too many URLs");
  for (int i = 0; i < count; ++i) {
    if (bytes.size() < kUrlNumbersBytes) return absl::InvalidArgumentError("a hello with a URL that is cut off");
    const auto flags = static_cast<uint8_t>(bytes[0]);
    const uint16_t port = GetU16(bytes.substr(1));
    const size_t length = GetU16(bytes.substr(3));
    bytes.remove_prefix(kUrlNumbersBytes);
    if (length > kHelloHostBytesMax || length > bytes.size()) {
      return absl::InvalidArgumentError("a hello with a URL that is cut off");
    }
    urls.push_back(
        {.secure = (flags & kSecureFlag) != 0,
         .address = {.is_unix = (flags & kUnixFlag) != 0, .host = std::string(bytes.substr(0, length)), .port = port}});
    bytes.remove_prefix(length);
  }
  return urls;
}

void AppendU64(std::string& out, uint64_t value) {
  char bytes[8];
  storage::PutU64(bytes, value);
  out.append(bytes, sizeof bytes);
}

}  // namespace

std::string EncodeHello(const Hello& hello) {
  std::string frame = BeginFrame(FrameKind::kHello);
  frame += kMagic;
  AppendU16(frame, hello.version_min);
  AppendU16(frame, hello.version_max);
  frame.push_back(static_cast<char>(hello.lane));
  AppendU64(frame, hello.cluster_id);
  AppendU64(frame, hello.from.value);
  AppendU64(frame, hello.to.value);
  AppendUrls(frame, hello.urls);
  AppendU64(frame, hello.incarnation);
  EndFrame(frame);
  return frame;
}

std::string EncodeWelcome(uint16_t version) {
  std::string frame = BeginFrame(FrameKind::kWelcome);
  AppendU16(frame, version);
  EndFrame(frame);
  return frame;
}

std::string EncodeRefusal(const Refusal& refusal) {
  std::string frame = BeginFrame(FrameKind::kRefusal);
  frame.push_back(static_cast<char>(refusal.reason));
  frame += refusal.text.substr(0, kHelloBytesMax - 2);
  EndFrame(frame);
  return frame;
}

std::string EncodeMembers(const ClusterMembers& all) {
  std::string frame = BeginFrame(FrameKind::kMembers);
  api::AppendVarint(frame, all.cluster_id);
  frame += storage::EncodeCommand({.body = api::MemberBootstrapRequest{.members = all.members}});
  EndFrame(frame);
  return frame;
}

absl::StatusOr<ClusterMembers> DecodeMembers(std::string_view payload) {
  storage::RowReader reader(payload);
  ClusterMembers all{.cluster_id = reader.Varint(), .members = {}};
  if (reader.malformed()) return absl::InvalidArgumentError("an answer about members that is cut off");
  absl::StatusOr<storage::Command> command = storage::DecodeCommand(reader.rest());
  if (!command.ok()) return absl::InvalidArgumentError("a malformed answer about members");
  auto* bootstrap = std::get_if<api::MemberBootstrapRequest>(&command->body);
  if (bootstrap == nullptr) return absl::InvalidArgumentError("an answer about members that names none");
  all.members = std::move(bootstrap->members);
  return all;
}

absl::StatusOr<Hello> DecodeHello(std::string_view payload) {
  if (payload.substr(0, kMagic.size()) != kMagic) return absl::InvalidArgumentError("not the hello of a member");
  payload.remove_prefix(kMagic.size());
  if (payload.size() < kNumbersBytes) return absl::InvalidArgumentError("a hello that is cut off");
  Hello hello{.version_min = GetU16(payload),
              .version_max = GetU16(payload.substr(2)),
              .lane = static_cast<Lane>(payload[4]),
              .cluster_id = storage::GetU64(payload.data() + 5),
              .from = {storage::GetU64(payload.data() + 13)},
              .to = {storage::GetU64(payload.data() + 21)},
              .urls = {},
              .incarnation = 0};
  if (hello.version_min > hello.version_max) return absl::InvalidArgumentError("a hello without any version");
  if (hello.from == raft::kNobody && hello.lane != Lane::kMembers)
    return absl::InvalidArgumentError("a hello without a sender");
  payload.remove_prefix(kNumbersBytes);
  REGENT_ASSIGN_OR_RETURN(hello.urls, TakeUrls(payload));
  if (payload.empty()) return hello;
  if (payload.size() < sizeof hello.incarnation) return absl::InvalidArgumentError("a hello that is cut off");
  hello.incarnation = storage::GetU64(payload.data());
  return hello;
}

absl::StatusOr<uint16_t> DecodeWelcome(std::string_view payload) {
  if (payload.size() < 2) return absl::InvalidArgumentError("a welcome that is cut off");
  const uint16_t version = GetU16(payload);
  if (version < kPeerVersionMin || version > kPeerVersionMax) {
    return absl::InvalidArgumentError("a welcome in version " + std::to_string(version) + ", which was not offered");
  }
  return version;
}

Refusal DecodeRefusal(std::string_view payload) {
  if (payload.empty()) return {};
  return {.reason = static_cast<RefusalReason>(payload[0]), .text = std::string(payload.substr(1))};
}

std::optional<uint16_t> CommonVersion(const Hello& hello) {
  const uint16_t version = std::min(hello.version_max, kPeerVersionMax);
  if (version < std::max(hello.version_min, kPeerVersionMin)) return std::nullopt;
  return version;
}

}  // namespace regent::server
