#include "server/peer/hello.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "api/contract/wire.h"
#include "server/peer/frame.h"
#include "storage/command.h"
#include "storage/log_bytes.h"
#include "storage/row_reader.h"

namespace regent::server {
namespace {

constexpr std::string_view kMagic = "REGENT PEER\n";
constexpr size_t kNumbersBytes = 2 + 2 + 1 + 3 * 8;

void AppendU16(std::string& out, uint16_t value) {
  out.push_back(static_cast<char>(value & 0xff));
  out.push_back(static_cast<char>(value >> 8));
}

uint16_t GetU16(std::string_view bytes) {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes[0]) | static_cast<uint8_t>(bytes[1]) << 8);
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
              .to = {storage::GetU64(payload.data() + 21)}};
  if (hello.version_min > hello.version_max) return absl::InvalidArgumentError("a hello without any version");
  if (hello.from == raft::kNobody && hello.lane != Lane::kMembers)
    return absl::InvalidArgumentError("a hello without a sender");
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
