#include "api/service/encode.h"

#include <utility>

#include "api/contract/errors.h"
#include "api/contract/limits.h"
#include "api/contract/wire.h"

namespace regent::api {

void MessageBuilder::Append(const SharedBytes& piece) {
  if (piece->size() <= kCopyBytesMax) {
    tail_.append(*piece);
    return;
  }
  Flush();
  pieces_.push_back(piece);
}

void MessageBuilder::Append(const std::shared_ptr<const void>& owner, const std::string& piece) {
  if (piece.size() <= kCopyBytesMax) {
    tail_.append(piece);
    return;
  }
  Flush();
  pieces_.emplace_back(owner, &piece);
}

WireMessage MessageBuilder::Take() && {
  if (pieces_.empty() || !tail_.empty()) pieces_.push_back(std::make_shared<const std::string>(std::move(tail_)));
  return std::move(pieces_);
}

void MessageBuilder::Flush() {
  if (tail_.empty()) return;
  pieces_.push_back(std::make_shared<const std::string>(std::move(tail_)));
  tail_.clear();
}

namespace {

// ---- headers -----------------------------------------------------------------------------------------------------

size_t HeaderSize(const Header& header) {
  return Uint64FieldSize(1, header.cluster_id) + Uint64FieldSize(2, header.member_id) +
         Uint64FieldSize(3, static_cast<uint64_t>(header.revision.value)) + Uint64FieldSize(4, header.raft_term);
}

size_t HeaderFieldSize(const Header& header) { return BytesFieldSize(1, HeaderSize(header)); }

void AppendHeader(std::string& out, const Header& header) {
  AppendBytesHeader(out, 1, HeaderSize(header));
  AppendUint64(out, 1, header.cluster_id);
  AppendUint64(out, 2, header.member_id);
  AppendInt64(out, 3, header.revision.value);
  AppendUint64(out, 4, header.raft_term);
}

// ---- keys and values: the size of a message stands in front of it, so each has a Size beside its Write -------------

using Owner = std::shared_ptr<const void>;
using NestedTxn = std::shared_ptr<const TxnResult>;

size_t Size(const Header& header, const RangeResult& result) {
  return HeaderFieldSize(header) + result.kvs.size_bytes() + Uint64FieldSize(3, result.more ? 1 : 0) +
         Uint64FieldSize(4, static_cast<uint64_t>(result.count));
}

void Write(const Header& header, const RangeResult& result, const Owner& owner, MessageBuilder& out) {
  AppendHeader(out.tail(), header);
  for (const std::string& chunk : result.kvs.chunks()) out.Append(owner, chunk);
  AppendBool(out.tail(), 3, result.more);
  AppendInt64(out.tail(), 4, result.count);
}

size_t Size(const Header& header, const PutResult& result) {
  return HeaderFieldSize(header) + (result.prev_kv ? BytesFieldSize(2, result.prev_kv->size()) : 0);
}

void Write(const Header& header, const PutResult& result, const Owner& owner, MessageBuilder& out) {
  AppendHeader(out.tail(), header);
  if (!result.prev_kv) return;
  AppendBytesHeader(out.tail(), 2, result.prev_kv->size());
  out.Append(owner, *result.prev_kv);
}

size_t Size(const Header& header, const DeleteRangeResult& result) {
  return HeaderFieldSize(header) + Uint64FieldSize(2, static_cast<uint64_t>(result.deleted)) +
         result.prev_kvs.size_bytes();
}

void Write(const Header& header, const DeleteRangeResult& result, const Owner& owner, MessageBuilder& out) {
  AppendHeader(out.tail(), header);
  AppendInt64(out.tail(), 2, result.deleted);
  for (const std::string& chunk : result.prev_kvs.chunks()) out.Append(owner, chunk);
}

size_t Size(const Header& header, const TxnResult& result);
void Write(const Header& header, const TxnResult& result, const Owner& owner, MessageBuilder& out);

// Calls `visit(header, result)` with the result inside `op` and the header that it has there.
template <typename Visit>
auto VisitOp(const ResponseOp& op, Visit visit) {
  if (const NestedTxn* txn = std::get_if<NestedTxn>(&op)) return visit(Header{}, **txn);
  if (const auto* range = std::get_if<RangeResult>(&op)) return visit(Header{.revision = range->revision}, *range);
  if (const auto* put = std::get_if<PutResult>(&op)) return visit(Header{.revision = put->revision}, *put);
  const auto& delete_range = std::get<DeleteRangeResult>(op);
  return visit(Header{.revision = delete_range.revision}, delete_range);
}

// The member of ResponseOp's oneof: range 1, put 2, delete_range 3, txn 4.
int OpField(const ResponseOp& op) { return static_cast<int>(op.index()) + 1; }

size_t OpSize(const ResponseOp& op) {
  const size_t inner = VisitOp(op, [](const Header& header, const auto& result) { return Size(header, result); });
  return BytesFieldSize(OpField(op), inner);
}

size_t Size(const Header& header, const TxnResult& result) {
  size_t size = HeaderFieldSize(header) + Uint64FieldSize(2, result.succeeded ? 1 : 0);
  for (const ResponseOp& op : result.responses) size += BytesFieldSize(3, OpSize(op));
  return size;
}

void Write(const Header& header, const TxnResult& result, const Owner& owner, MessageBuilder& out) {
  AppendHeader(out.tail(), header);
  AppendBool(out.tail(), 2, result.succeeded);
  for (const ResponseOp& op : result.responses) {
    AppendBytesHeader(out.tail(), 3, OpSize(op));
    VisitOp(op, [&](const Header& inner, const auto& answer) {
      AppendBytesHeader(out.tail(), OpField(op), Size(inner, answer));
      Write(inner, answer, owner, out);
    });
  }
}

template <typename Result>
WireMessage EncodeOwned(const Header& header, const std::shared_ptr<const Result>& result) {
  MessageBuilder out;
  const size_t size = Size(header, *result);
  if (size <= MessageBuilder::kCopyBytesMax) out.Reserve(size);
  Write(header, *result, result, out);
  return std::move(out).Take();
}

// ---- the rest ----------------------------------------------------------------------------------------------------

std::string EncodeMember(const Member& member) {
  std::string out;
  AppendUint64(out, 1, member.id);
  AppendBytes(out, 2, member.name);
  for (const std::string& url : member.peer_urls) AppendMessage(out, 3, url);
  for (const std::string& url : member.client_urls) AppendMessage(out, 4, url);
  AppendBool(out, 5, member.is_learner);
  return out;
}

std::string EncodeAlarm(const AlarmMember& alarm) {
  std::string out;
  AppendUint64(out, 1, alarm.member_id);
  AppendUint64(out, 2, static_cast<uint64_t>(alarm.alarm));
  return out;
}

// An alarm as operators find it among the errors of a status.
std::string AlarmText(const AlarmMember& alarm) {
  const std::string who = alarm.member_id == 0 ? "" : "memberID:" + std::to_string(alarm.member_id);
  switch (alarm.alarm) {
    case AlarmType::kNone:
      return who;
    case AlarmType::kNoSpace:
      return who + (who.empty() ? "" : " ") + "alarm:NOSPACE";
    case AlarmType::kCorrupt:
      return who + (who.empty() ? "" : " ") + "alarm:CORRUPT";
  }
  return who;
}

// Everything of a WatchResponse but its events.
void WriteWatchFields(const Header& header, const WatchMessage& message, bool more_follows, std::string& out) {
  AppendHeader(out, header);
  AppendInt64(out, 2, message.watch_id);
  AppendBool(out, 3, message.created);
  AppendBool(out, 4, message.canceled);
  AppendInt64(out, 5, message.compact_revision.value);
  AppendBytes(out, 6, message.cancel_reason);
  AppendBool(out, 7, more_follows);
}

}  // namespace

WireMessage Encode(const Header& header, std::shared_ptr<const RangeResult> result) {
  return EncodeOwned(header, result);
}
WireMessage Encode(const Header& header, std::shared_ptr<const PutResult> result) {
  return EncodeOwned(header, result);
}
WireMessage Encode(const Header& header, std::shared_ptr<const DeleteRangeResult> result) {
  return EncodeOwned(header, result);
}
WireMessage Encode(const Header& header, std::shared_ptr<const TxnResult> result) {
  return EncodeOwned(header, result);
}

size_t EncodedSize(const Header& header, const RangeResult& result) { return Size(header, result); }
size_t EncodedSize(const Header& header, const PutResult& result) { return Size(header, result); }
size_t EncodedSize(const Header& header, const DeleteRangeResult& result) { return Size(header, result); }
size_t EncodedSize(const Header& header, const TxnResult& result) { return Size(header, result); }

WireMessage EncodeStreamed(const Header* header, std::shared_ptr<const RangeResult> result) {
  const size_t size = header != nullptr ? Size(*header, *result) : result->kvs.size_bytes();
  MessageBuilder out;
  if (size <= MessageBuilder::kCopyBytesMax) out.Reserve(BytesFieldSize(1, size));
  AppendBytesHeader(out.tail(), 1, size);
  if (header != nullptr) {
    Write(*header, *result, result, out);
  } else {
    for (const std::string& chunk : result->kvs.chunks()) out.Append(result, chunk);
  }
  return std::move(out).Take();
}

std::string EncodeHeaderOnly(const Header& header) {
  std::string out;
  out.reserve(HeaderFieldSize(header));
  AppendHeader(out, header);
  return out;
}

std::string Encode(const Header& header, const LeaseGrantResult& result) {
  std::string out = EncodeHeaderOnly(header);
  AppendInt64(out, 2, result.id.value);
  AppendInt64(out, 3, result.ttl);
  return out;
}

std::string Encode(const Header& header, LeaseId id, const LeaseKeepAliveResult& result) {
  std::string out = EncodeHeaderOnly(header);
  AppendInt64(out, 2, id.value);
  AppendInt64(out, 3, result.ttl);
  return out;
}

std::string Encode(const Header& header, LeaseId id, const LeaseTimeToLiveResult& result) {
  std::string out = EncodeHeaderOnly(header);
  AppendInt64(out, 2, id.value);
  AppendInt64(out, 3, result.ttl);
  AppendInt64(out, 4, result.granted_ttl);
  for (const std::string& key : result.keys) AppendMessage(out, 5, key);
  return out;
}

std::string Encode(const Header& header, const LeaseLeasesResult& result) {
  std::string out = EncodeHeaderOnly(header);
  for (const LeaseId id : result.leases) {
    AppendBytesHeader(out, 2, Uint64FieldSize(1, static_cast<uint64_t>(id.value)));
    AppendInt64(out, 1, id.value);
  }
  return out;
}

std::string Encode(const Header& header, const std::vector<Member>& members) {
  std::string out = EncodeHeaderOnly(header);
  for (const Member& member : members) AppendMessage(out, 2, EncodeMember(member));
  return out;
}

std::string Encode(const Header& header, const Member& added, const std::vector<Member>& members) {
  std::string out = EncodeHeaderOnly(header);
  AppendMessage(out, 2, EncodeMember(added));
  for (const Member& member : members) AppendMessage(out, 3, EncodeMember(member));
  return out;
}

std::string Encode(const Header& header, const AlarmResult& result) {
  std::string out = EncodeHeaderOnly(header);
  for (const AlarmMember& alarm : result.alarms) AppendMessage(out, 2, EncodeAlarm(alarm));
  return out;
}

std::string Encode(const Header& header, const HashResult& result) {
  std::string out = EncodeHeaderOnly(header);
  AppendUint64(out, 2, result.hash);
  return out;
}

std::string Encode(const Header& header, const HashKvResult& result) {
  std::string out = EncodeHeaderOnly(header);
  AppendUint64(out, 2, result.hash);
  AppendInt64(out, 3, result.compact_revision);
  AppendInt64(out, 4, result.hash_revision);
  return out;
}

std::string Encode(const Header& header, const StatusResult& result) {
  std::string out = EncodeHeaderOnly(header);
  AppendBytes(out, 2, kServerVersion);
  AppendInt64(out, 3, result.db_size);
  AppendUint64(out, 4, result.leader);
  AppendUint64(out, 5, result.raft_index);
  AppendUint64(out, 6, result.raft_term);
  AppendUint64(out, 7, result.raft_applied_index);
  if (result.leader == 0) AppendMessage(out, 8, std::string(ErrNoLeader().message()));
  for (const AlarmMember& alarm : result.alarms) AppendMessage(out, 8, AlarmText(alarm));
  AppendInt64(out, 9, result.db_size_in_use);
  AppendBool(out, 10, result.is_learner);
  AppendBytes(out, 11, kStorageVersion);
  AppendInt64(out, 12, result.db_size_quota);
  AppendMessage(out, 13, "");  // downgradeInfo: none is going on
  return out;
}

std::vector<WireMessage> Encode(const Header& header, const WatchMessage& message, size_t fragment_bytes_max) {
  std::vector<WireMessage> parts;
  size_t next = 0;
  do {
    MessageBuilder out;
    std::string fields;
    WriteWatchFields(header, message, false, fields);
    size_t end = message.fragment ? next : message.events.size();
    for (size_t bytes = fields.size(); end < message.events.size(); ++end) {
      bytes += message.events[end]->size();
      if (bytes > fragment_bytes_max && end > next) break;
    }
    const bool more_follows = end < message.events.size();
    if (more_follows) {
      fields.clear();
      WriteWatchFields(header, message, true, fields);
    }
    out.tail() = std::move(fields);
    for (; next < end; ++next) out.Append(message.events[next]);
    parts.push_back(std::move(out).Take());
  } while (next < message.events.size());
  return parts;
}

}  // namespace regent::api
