// The requests as plain structs: what handlers pass to the backend and what a command of the log carries. Field names,
// defaults and meanings are those of the messages of the same name in proto/; nothing here knows the wire.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "api/contract/types.h"

namespace regent::api {

enum class SortOrder : uint8_t { kNone = 0, kAscend = 1, kDescend = 2 };
enum class SortTarget : uint8_t { kKey = 0, kVersion = 1, kCreate = 2, kMod = 3, kValue = 4 };

// A key range is [key, range_end): an empty range_end is the key alone, "\0" is "every key from `key` on".
struct RangeRequest {
  std::string key;
  std::string range_end;
  int64_t limit = 0;  // ≤ 0: no limit
  Revision revision;  // ≤ 0: the current one
  SortOrder sort_order = SortOrder::kNone;
  SortTarget sort_target = SortTarget::kKey;
  bool serializable = false;
  bool keys_only = false;
  bool count_only = false;
  Revision min_mod_revision, max_mod_revision, min_create_revision, max_create_revision;  // 0: unset
  bool operator==(const RangeRequest&) const = default;
};

struct PutRequest {
  std::string key;
  std::string value;
  LeaseId lease;
  bool prev_kv = false;
  bool ignore_value = false;
  bool ignore_lease = false;
  bool operator==(const PutRequest&) const = default;
};

struct DeleteRangeRequest {
  std::string key;
  std::string range_end;
  bool prev_kv = false;
  bool operator==(const DeleteRangeRequest&) const = default;
};

struct Compare {
  enum class Result : uint8_t { kEqual = 0, kGreater = 1, kLess = 2, kNotEqual = 3 };
  enum class Target : uint8_t { kVersion = 0, kCreate = 1, kMod = 2, kValue = 3, kLease = 4 };
  Result result = Result::kEqual;
  Target target = Target::kVersion;
  std::string key;
  std::string range_end;
  int64_t number = 0;  // the operand of every target but kValue; a missing target_union is 0
  std::string value;   // the operand of kValue
  bool operator==(const Compare&) const = default;
};

struct TxnRequest;
// A nested transaction is immutable and shared, so that requests stay copyable values.
using RequestOp = std::variant<RangeRequest, PutRequest, DeleteRangeRequest, std::shared_ptr<const TxnRequest>>;

struct TxnRequest {
  std::vector<Compare> compare;
  std::vector<RequestOp> success;
  std::vector<RequestOp> failure;
};

struct CompactionRequest {
  Revision revision;
  bool physical = false;  // answer only after the purge has removed the data here
  bool operator==(const CompactionRequest&) const = default;
};

struct LeaseGrantRequest {
  LeaseId id;       // 0 from a client: the backend picks one before it proposes
  int64_t ttl = 0;  // seconds
  bool operator==(const LeaseGrantRequest&) const = default;
};

struct LeaseRevokeRequest {
  LeaseId id;
  bool operator==(const LeaseRevokeRequest&) const = default;
};

// The leader's decision that the time of these leases is over. No client sends it. Each lease that still exists ends at
// a revision of its own, in the order given; those that do not are passed over.
struct LeaseExpiryRequest {
  std::vector<LeaseId> ids;
  bool operator==(const LeaseExpiryRequest&) const = default;
};

enum class AlarmType : uint8_t { kNone = 0, kNoSpace = 1, kCorrupt = 2 };
enum class AlarmAction : uint8_t { kGet = 0, kActivate = 1, kDeactivate = 2 };

struct AlarmRequest {
  AlarmAction action = AlarmAction::kGet;
  uint64_t member_id = 0;
  AlarmType alarm = AlarmType::kNone;
  bool operator==(const AlarmRequest&) const = default;
};

struct Member {
  uint64_t id = 0;
  std::string name;  // empty until the member has started and told it
  std::vector<std::string> peer_urls;
  std::vector<std::string> client_urls;
  bool is_learner = false;
  // Drawn at random with the member's data folder: the same id with another one has forgotten its votes, and is nobody.
  // 0: not published yet. Clients are not told.
  uint64_t incarnation = 0;
  // It was added to a cluster of one voter, which could decide nothing any more if the new one voted at once: it learns
  // until it has caught up, and then the leader lets it vote. Clients see a voter.
  bool awaits_vote = false;
  bool operator==(const Member&) const = default;
};

// The three that change who replicates and who votes. In the log they go with the configuration that they lead to.
struct MemberAddRequest {
  uint64_t id = 0;  // 0 from a client: the backend picks one before it proposes
  std::vector<std::string> peer_urls;
  bool is_learner = false;
  bool operator==(const MemberAddRequest&) const = default;
};

struct MemberRemoveRequest {
  uint64_t id = 0;
  bool operator==(const MemberRemoveRequest&) const = default;
};

struct MemberPromoteRequest {
  uint64_t id = 0;
  bool operator==(const MemberPromoteRequest&) const = default;
};

struct MemberUpdateRequest {
  uint64_t id = 0;
  std::vector<std::string> peer_urls;
  bool operator==(const MemberUpdateRequest&) const = default;
};

// What a member tells about itself when it starts. No client sends it.
struct MemberPublishRequest {
  uint64_t id = 0;
  std::string name;
  std::vector<std::string> client_urls;
  uint64_t incarnation = 0;  // 0: of a version that had none; what is known stays
  bool operator==(const MemberPublishRequest&) const = default;
};

// With whom a cluster begins: the first entry of its log, equal on all of them. No client sends it.
struct MemberBootstrapRequest {
  std::vector<Member> members;
  bool operator==(const MemberBootstrapRequest&) const = default;
};

// Everything that goes through the log on behalf of a client, and what members decide by themselves.
using WriteRequest =
    std::variant<PutRequest, DeleteRangeRequest, TxnRequest, CompactionRequest, LeaseGrantRequest, LeaseRevokeRequest,
                 AlarmRequest, LeaseExpiryRequest, MemberAddRequest, MemberRemoveRequest, MemberPromoteRequest,
                 MemberUpdateRequest, MemberPublishRequest, MemberBootstrapRequest>;

}  // namespace regent::api
