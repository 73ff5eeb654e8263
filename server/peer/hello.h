// How a connection between members begins: who calls whom, for what, in which version of the protocol.
//
// The side that dialled sends a hello. The other one answers with a welcome that names the version both will speak, or
// with a refusal and closes. Until its hello is accepted a stranger can cost a few kilobytes and a few seconds.
//
//   hello     "REGENT PEER\n", version_min u16, version_max u16, lane u8, cluster u64, from u64, to u64, urls,
//             incarnation u64 of the sender, which may be missing; little-endian
//   urls      count u8, of each: flags u8 (1 TLS, 2 unix socket), port u16, length u16, host or path; may be missing
//   welcome   version u16
//   refusal   reason u8, text
//   members   cluster v, the encoded command of a bootstrap with them (storage/command.h)
//
// Later versions may append fields, which earlier ones skip; the fields above never change. Two members of adjacent
// versions overlap in the range that both send.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "api/contract/requests.h"
#include "raft/types.h"
#include "server/peer/peer_url.h"

namespace regent::server {

inline constexpr uint16_t kPeerVersionMin = 1;
inline constexpr uint16_t kPeerVersionMax = 1;
inline constexpr size_t kHelloBytesMax = 4096;  // a frame's, of any answer too
inline constexpr size_t kHelloUrlsMax = 8;
inline constexpr size_t kHelloHostBytesMax = 255;

// What a connection is for. Each has its own queue, so that a heartbeat never waits behind a snapshot.
enum class Lane : uint8_t {
  kRaft = 1,     // raft messages and notes, from the side that dialled to the other one
  kBulk = 2,     // notes alone: pieces of snapshots
  kMembers = 3,  // a question of somebody who may not be a member yet; the answer is a frame kMembers, then the end
};

struct Hello {
  uint16_t version_min = kPeerVersionMin;
  uint16_t version_max = kPeerVersionMax;
  Lane lane = Lane::kRaft;
  uint64_t cluster_id = 0;
  raft::NodeId from;
  raft::NodeId to;
  // Where `from` listens: a member that was away while everybody else was replaced could answer nobody without it.
  // Those beyond the limits above are left out.
  std::vector<PeerUrl> urls;
  // Of the data folder of `from` (storage/data_folder.h). 0: it does not say.
  uint64_t incarnation = 0;
  bool operator==(const Hello&) const = default;
};

// What a member knows of its cluster.
struct ClusterMembers {
  uint64_t cluster_id = 0;
  std::vector<api::Member> members;
};

enum class RefusalReason : uint8_t {
  kOther = 0,
  kVersion = 1,  // no common version
  kCluster = 2,  // another cluster
  kNotMe = 3,    // the address belongs to another member now
  kRemoved = 4,  // the sender is no member any more
  kForgot = 5,   // the sender uses a member's id without the data folder that the member had (incarnations.h)
};

struct Refusal {
  RefusalReason reason = RefusalReason::kOther;
  std::string text;
};

std::string EncodeHello(const Hello& hello);           // a frame
std::string EncodeWelcome(uint16_t version);           // a frame
std::string EncodeRefusal(const Refusal& refusal);     // a frame
std::string EncodeMembers(const ClusterMembers& all);  // a frame

// Of payloads. Errors: InvalidArgument.
absl::StatusOr<ClusterMembers> DecodeMembers(std::string_view payload);
absl::StatusOr<Hello> DecodeHello(std::string_view payload);
absl::StatusOr<uint16_t> DecodeWelcome(std::string_view payload);
Refusal DecodeRefusal(std::string_view payload);

// The newest version that both sides speak.
std::optional<uint16_t> CommonVersion(const Hello& hello);

}  // namespace regent::server
