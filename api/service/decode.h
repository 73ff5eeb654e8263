// Requests from the wire, written by hand: every byte is copied once, into the request. What it accepts and makes of it
// is what the protobuf library makes of the same bytes: unknown fields are skipped, a repeated scalar's last value
// counts, a repeated message is merged into the first, and the last member of a oneof wins.
//
// Numbers outside an enum become kUnknownEnum where validation has an error for them.
//
// Errors: ErrMalformedRequest; ErrMalformedText for a string that is not UTF-8; ErrTooManyOps for a transaction whose
// lists are longer than allowed or which is nested too deeply, so that memory stays a small multiple of the input.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "api/contract/requests.h"
#include "api/service/backend.h"

namespace regent::api {

inline constexpr uint8_t kUnknownEnum = 255;

struct LeaseKeepAliveRequest {
  LeaseId id;
};

struct LeaseTimeToLiveRequest {
  LeaseId id;
  bool keys = false;
};

struct MemberListRequest {
  bool linearizable = false;
};

struct HashKvRequest {
  int64_t revision = 0;
};

struct MoveLeaderRequest {
  uint64_t target_id = 0;
};

struct HealthCheckRequest {
  std::string service;
};

// Status, Defragment, Hash, LeaseLeases, health.List: messages without fields.
struct EmptyRequest {};

struct WatchCancel {
  int64_t watch_id = 0;
};
struct WatchProgress {};
// monostate: a message that asks for nothing, or for something newer than this server; it is ignored.
using WatchRequest = std::variant<std::monostate, WatchCreate, WatchCancel, WatchProgress>;

absl::Status Decode(std::string_view bytes, RangeRequest& out);
absl::Status Decode(std::string_view bytes, PutRequest& out);
absl::Status Decode(std::string_view bytes, DeleteRangeRequest& out);
absl::Status Decode(std::string_view bytes, size_t ops_max, TxnRequest& out);
absl::Status Decode(std::string_view bytes, CompactionRequest& out);
absl::Status Decode(std::string_view bytes, LeaseGrantRequest& out);
absl::Status Decode(std::string_view bytes, LeaseRevokeRequest& out);
absl::Status Decode(std::string_view bytes, LeaseKeepAliveRequest& out);
absl::Status Decode(std::string_view bytes, LeaseTimeToLiveRequest& out);
absl::Status Decode(std::string_view bytes, WatchRequest& out);
absl::Status Decode(std::string_view bytes, AlarmRequest& out);
absl::Status Decode(std::string_view bytes, MemberListRequest& out);
absl::Status Decode(std::string_view bytes, MemberAddRequest& out);
absl::Status Decode(std::string_view bytes, MemberRemoveRequest& out);
absl::Status Decode(std::string_view bytes, MemberUpdateRequest& out);
absl::Status Decode(std::string_view bytes, MemberPromoteRequest& out);
absl::Status Decode(std::string_view bytes, HashKvRequest& out);
absl::Status Decode(std::string_view bytes, MoveLeaderRequest& out);
absl::Status Decode(std::string_view bytes, HealthCheckRequest& out);
absl::Status Decode(std::string_view bytes, EmptyRequest& out);

}  // namespace regent::api
