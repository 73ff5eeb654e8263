// The answers as plain structs. Key-values are carried as encoded bytes, so that a stored version travels from the
// engine to the socket without being decoded.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/contract/requests.h"
#include "api/contract/types.h"

namespace regent::api {

// A repeated field of mvccpb.KeyValue messages (RangeResponse.kvs, DeleteRangeResponse.prev_kvs), encoded with tag and
// length, in pieces of about `kChunkBytes`, ready to be sent as they are. The concatenation of `chunks` is the field.
class KeyValueList {
 public:
  static constexpr size_t kChunkBytes = 256 * 1024;

  explicit KeyValueList(int field_number = 2) : field_number_(field_number) {}

  // `rest`: fields 2 to 6 of the KeyValue, encoded, as the store keeps them. The key is put in front.
  void Add(std::string_view key, std::string_view rest);

  // What Add would add to size_bytes().
  size_t EncodedSize(std::string_view key, std::string_view rest) const;

  int64_t count() const { return count_; }
  size_t size_bytes() const { return size_bytes_; }
  int field_number() const { return field_number_; }
  const std::vector<std::string>& chunks() const { return chunks_; }
  std::vector<std::string> TakeChunks() && { return std::move(chunks_); }

 private:
  int field_number_;
  int64_t count_ = 0;
  size_t size_bytes_ = 0;
  std::vector<std::string> chunks_;
};

// The key-values of a large answer that are not read yet. How many bytes they make is known, and the state of the store
// that they are in is held open: nothing overtakes them. Used by one thread at a time.
class RangeRest {
 public:
  virtual ~RangeRest() = default;
  virtual size_t size_bytes() const = 0;  // of all that is still to come, encoded
  virtual size_t count() const = 0;       // of all that was to come at the beginning
  // About `bytes_max` of them, one at least. Not when size_bytes() is 0.
  virtual KeyValueList Next(size_t bytes_max) = 0;
};

// `revision` is what the header says: for a write the revision it made (or the current one when it changed nothing),
// for a read the store's current one, not the requested one.
struct RangeResult {
  Revision revision;
  KeyValueList kvs{2};
  bool more = false;
  int64_t count = 0;                // live keys of the range at the revision, whatever limit and filters say
  std::shared_ptr<RangeRest> rest;  // follows `kvs`; null: there is no more. Only who asked for parts gets one
};

struct PutResult {
  Revision revision;
  std::optional<std::string> prev_kv;  // an encoded mvccpb.KeyValue
};

struct DeleteRangeResult {
  Revision revision;
  int64_t deleted = 0;
  KeyValueList prev_kvs{3};
};

struct TxnResult;
using ResponseOp = std::variant<RangeResult, PutResult, DeleteRangeResult, std::shared_ptr<const TxnResult>>;

struct TxnResult {
  Revision revision;
  bool succeeded = false;
  std::vector<ResponseOp> responses;  // one for each executed operation
};

struct CompactionResult {
  Revision revision;
};

struct LeaseGrantResult {
  Revision revision;
  LeaseId id;
  int64_t ttl = 0;  // seconds, as granted
};

struct LeaseRevokeResult {
  Revision revision;
};

struct LeaseExpiryResult {
  Revision revision;
};

struct AlarmMember {
  uint64_t member_id = 0;
  AlarmType alarm = AlarmType::kNone;
  auto operator<=>(const AlarmMember&) const = default;
};

struct AlarmResult {
  Revision revision;
  std::vector<AlarmMember> alarms;  // ascending
};

struct HashKvResult {
  Revision revision;  // the store's current one
  uint32_t hash = 0;
  int64_t compact_revision = -1;  // -1: nothing was compacted
  int64_t hash_revision = 0;
};

struct HashResult {
  Revision revision;
  uint32_t hash = 0;
};

// A part of a range that is read piece by piece, in the order of keys.
struct RangeSlice {
  KeyValueList kvs{2};
  std::string next_key;  // the first key of the range that is not in it; empty: there is none
};

// Of every request about members.
struct MembersResult {
  Revision revision;
  std::vector<Member> members;  // all, after the change, by id
};

// The alternative matches that of the WriteRequest.
using WriteResult = std::variant<PutResult, DeleteRangeResult, TxnResult, CompactionResult, LeaseGrantResult,
                                 LeaseRevokeResult, AlarmResult, LeaseExpiryResult, MembersResult>;

}  // namespace regent::api
