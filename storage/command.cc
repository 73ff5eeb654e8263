// The encoding of a command.
//
//   command   = format:1 node:v sequence:v leader_term:v body
//   body      = kind:1 fields
//     put          = 1  key value lease:s flags:1 (1 prev_kv, 2 ignore_value, 4 ignore_lease)
//     delete range = 2  key range_end flags:1 (1 prev_kv)
//     txn          = 3  txn
//     compaction   = 4  revision:s flags:1 (1 physical)
//     lease grant  = 5  id:s ttl:s
//     lease revoke = 6  id:s
//     alarm        = 7  action:1 member:v alarm:1
//     lease expiry = 8  count:v (id:s)*
//     add member     = 9   id:v urls flags:1 (1 learner)
//     remove member  = 10  id:v
//     promote member = 11  id:v
//     update member  = 12  id:v urls
//     publish member = 13  id:v name urls
//     bootstrap      = 14  count:v (id:v name urls urls flags:1)*                    (peer URLs, client URLs; 1
//     learner)
//   urls      = count:v url*
//   txn       = count:v compare*  count:v operation*  count:v operation*      (compares, success, failure)
//   compare   = result:1 target:1 key range_end number:s value
//   operation = kind:1 fields, kind 1, 2, 3 as above or
//     range      = 0  key range_end limit:s revision:s order:1 target:1 flags:1 (1 serializable, 2 keys_only,
//                     4 count_only, 8 bounds follow) [min_mod:s max_mod:s min_create:s max_create:s]
//
// v is a varint (seven bits a byte, lowest first), s a varint of the zigzag of a signed number; key, range_end, value,
// name and url are v bytes. format is 1. Everything must be there, and nothing may follow.
//
// Example: Put{key "a", value "x"} as request {1, 2}:  01 01 02 00  01 01 61 01 78 00 00.
#include "storage/command.h"

#include <memory>
#include <utility>
#include <vector>

#include "api/contract/limits.h"
#include "api/contract/wire.h"

namespace regent::storage {
namespace {

constexpr uint8_t kFormat = 1;

enum class Kind : uint8_t {
  kRange = 0,
  kPut = 1,
  kDeleteRange = 2,
  kTxn = 3,
  kCompaction = 4,
  kLeaseGrant = 5,
  kLeaseRevoke = 6,
  kAlarm = 7,
  kLeaseExpiry = 8,
  kMemberAdd = 9,
  kMemberRemove = 10,
  kMemberPromote = 11,
  kMemberUpdate = 12,
  kMemberPublish = 13,
  kMemberBootstrap = 14,
};

uint8_t Flags(bool first, bool second = false, bool third = false, bool fourth = false) {
  return static_cast<uint8_t>((first ? 1 : 0) | (second ? 2 : 0) | (third ? 4 : 0) | (fourth ? 8 : 0));
}

class Writer {
 public:
  void Byte(uint8_t value) { out_.push_back(static_cast<char>(value)); }
  template <typename Enum>
  void EnumByte(Enum value) {
    Byte(static_cast<uint8_t>(value));
  }
  void Varint(uint64_t value) { api::AppendVarint(out_, value); }
  void Signed(int64_t value) { Varint(static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63)); }
  void Bytes(std::string_view bytes) { Varint(bytes.size()), out_.append(bytes); }

  void Body(const api::PutRequest& put) {
    EnumByte(Kind::kPut);
    Bytes(put.key), Bytes(put.value), Signed(put.lease.value);
    Byte(Flags(put.prev_kv, put.ignore_value, put.ignore_lease));
  }
  void Body(const api::DeleteRangeRequest& range) {
    EnumByte(Kind::kDeleteRange);
    Bytes(range.key), Bytes(range.range_end), Byte(Flags(range.prev_kv));
  }
  void Body(const api::RangeRequest& range) {
    const bool bounds = range.min_mod_revision.value != 0 || range.max_mod_revision.value != 0 ||
                        range.min_create_revision.value != 0 || range.max_create_revision.value != 0;
    EnumByte(Kind::kRange);
    Bytes(range.key), Bytes(range.range_end), Signed(range.limit), Signed(range.revision.value);
    EnumByte(range.sort_order), EnumByte(range.sort_target);
    Byte(Flags(range.serializable, range.keys_only, range.count_only, bounds));
    if (!bounds) return;
    Signed(range.min_mod_revision.value), Signed(range.max_mod_revision.value);
    Signed(range.min_create_revision.value), Signed(range.max_create_revision.value);
  }
  void Body(const std::shared_ptr<const api::TxnRequest>& txn) { Body(*txn); }
  void Body(const api::TxnRequest& txn) {
    EnumByte(Kind::kTxn);
    Varint(txn.compare.size());
    for (const api::Compare& compare : txn.compare) Write(compare);
    Operations(txn.success);
    Operations(txn.failure);
  }
  void Body(const api::CompactionRequest& compaction) {
    EnumByte(Kind::kCompaction);
    Signed(compaction.revision.value), Byte(Flags(compaction.physical));
  }
  void Body(const api::LeaseGrantRequest& grant) {
    EnumByte(Kind::kLeaseGrant);
    Signed(grant.id.value), Signed(grant.ttl);
  }
  void Body(const api::LeaseRevokeRequest& revoke) {
    EnumByte(Kind::kLeaseRevoke);
    Signed(revoke.id.value);
  }
  void Body(const api::AlarmRequest& alarm) {
    EnumByte(Kind::kAlarm);
    EnumByte(alarm.action), Varint(alarm.member_id), EnumByte(alarm.alarm);
  }
  void Body(const api::LeaseExpiryRequest& expiry) {
    EnumByte(Kind::kLeaseExpiry);
    Varint(expiry.ids.size());
    for (const api::LeaseId id : expiry.ids) Signed(id.value);
  }
  void Body(const api::MemberAddRequest& add) {
    EnumByte(Kind::kMemberAdd);
    Varint(add.id), Texts(add.peer_urls), Byte(Flags(add.is_learner));
  }
  void Body(const api::MemberRemoveRequest& remove) { EnumByte(Kind::kMemberRemove), Varint(remove.id); }
  void Body(const api::MemberPromoteRequest& promote) { EnumByte(Kind::kMemberPromote), Varint(promote.id); }
  void Body(const api::MemberUpdateRequest& update) {
    EnumByte(Kind::kMemberUpdate);
    Varint(update.id), Texts(update.peer_urls);
  }
  void Body(const api::MemberPublishRequest& publish) {
    EnumByte(Kind::kMemberPublish);
    Varint(publish.id), Bytes(publish.name), Texts(publish.client_urls);
    if (publish.incarnation != 0) Varint(publish.incarnation);
  }
  void Body(const api::MemberBootstrapRequest& bootstrap) {
    EnumByte(Kind::kMemberBootstrap);
    Varint(bootstrap.members.size());
    for (const api::Member& member : bootstrap.members) {
      Varint(member.id), Bytes(member.name), Texts(member.peer_urls), Texts(member.client_urls);
      Byte(Flags(member.is_learner, member.incarnation != 0));
      if (member.incarnation != 0) Varint(member.incarnation);
    }
  }

  std::string Take() && { return std::move(out_); }

 private:
  void Texts(const std::vector<std::string>& texts) {
    Varint(texts.size());
    for (const std::string& text : texts) Bytes(text);
  }
  void Write(const api::Compare& compare) {
    EnumByte(compare.result), EnumByte(compare.target);
    Bytes(compare.key), Bytes(compare.range_end), Signed(compare.number), Bytes(compare.value);
  }
  void Operations(const std::vector<api::RequestOp>& operations) {
    Varint(operations.size());
    for (const api::RequestOp& operation : operations) {
      std::visit([this](const auto& request) { Body(request); }, operation);
    }
  }

  std::string out_;
};

// After the first bad byte `failed` stays set and every answer is a zero.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool failed() const { return failed_; }
  bool done() const { return !failed_ && rest_.empty(); }

  uint8_t Byte() {
    if (failed_ || rest_.empty()) return Fail();
    const uint8_t value = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return value;
  }
  template <typename Enum>
  Enum EnumByte(Enum last) {
    const uint8_t value = Byte();
    if (value > static_cast<uint8_t>(last)) Fail();
    return failed_ ? Enum{} : static_cast<Enum>(value);
  }
  uint8_t FlagsByte(uint8_t allowed) {
    const uint8_t value = Byte();
    return (value & ~allowed) == 0 ? value : Fail();
  }
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = Byte();
      if (failed_ || (shift == 63 && byte > 1)) return Fail();
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    return Fail();
  }
  int64_t Signed() {
    const uint64_t value = Varint();
    return static_cast<int64_t>(value >> 1 ^ (~(value & 1) + 1));
  }
  std::string Bytes() {
    const uint64_t size = Varint();
    if (failed_ || size > rest_.size()) return Fail(), std::string();
    std::string bytes(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return bytes;
  }
  // A number of elements of at least one byte each, so that no count reserves more than the input is worth.
  size_t Count() {
    const uint64_t count = Varint();
    return count > rest_.size() ? Fail() : count;
  }

  api::WriteRequest Body() {
    switch (EnumByte(Kind::kMemberBootstrap)) {
      case Kind::kRange:
        return Fail(), api::PutRequest{};
      case Kind::kPut:
        return Put();
      case Kind::kDeleteRange:
        return DeleteRange();
      case Kind::kTxn:
        return Txn(/*depth=*/1);
      case Kind::kCompaction:
        return Compaction();
      case Kind::kLeaseGrant:
        return LeaseGrant();
      case Kind::kLeaseRevoke:
        return api::LeaseRevokeRequest{.id = {Signed()}};
      case Kind::kAlarm:
        return Alarm();
      case Kind::kLeaseExpiry:
        return LeaseExpiry();
      case Kind::kMemberAdd:
        return MemberAdd();
      case Kind::kMemberRemove:
        return api::MemberRemoveRequest{.id = Varint()};
      case Kind::kMemberPromote:
        return api::MemberPromoteRequest{.id = Varint()};
      case Kind::kMemberUpdate:
        return MemberUpdate();
      case Kind::kMemberPublish:
        return MemberPublish();
      case Kind::kMemberBootstrap:
        return MemberBootstrap();
    }
    return Fail(), api::PutRequest{};
  }

 private:
  uint8_t Fail() {
    failed_ = true;
    rest_ = {};
    return 0;
  }

  api::PutRequest Put() {
    api::PutRequest put;
    put.key = Bytes(), put.value = Bytes(), put.lease.value = Signed();
    const uint8_t flags = FlagsByte(7);
    put.prev_kv = flags & 1, put.ignore_value = flags & 2, put.ignore_lease = flags & 4;
    return put;
  }
  api::DeleteRangeRequest DeleteRange() {
    api::DeleteRangeRequest range;
    range.key = Bytes(), range.range_end = Bytes(), range.prev_kv = FlagsByte(1) & 1;
    return range;
  }
  api::RangeRequest Range() {
    api::RangeRequest range;
    range.key = Bytes(), range.range_end = Bytes(), range.limit = Signed(), range.revision.value = Signed();
    range.sort_order = EnumByte(api::SortOrder::kDescend);
    range.sort_target = EnumByte(api::SortTarget::kValue);
    const uint8_t flags = FlagsByte(15);
    range.serializable = flags & 1, range.keys_only = flags & 2, range.count_only = flags & 4;
    if ((flags & 8) == 0) return range;
    range.min_mod_revision.value = Signed(), range.max_mod_revision.value = Signed();
    range.min_create_revision.value = Signed(), range.max_create_revision.value = Signed();
    return range;
  }
  api::Compare Compare() {
    api::Compare compare;
    compare.result = EnumByte(api::Compare::Result::kNotEqual);
    compare.target = EnumByte(api::Compare::Target::kLease);
    compare.key = Bytes(), compare.range_end = Bytes(), compare.number = Signed(), compare.value = Bytes();
    return compare;
  }
  api::TxnRequest Txn(int depth) {
    api::TxnRequest txn;
    if (depth > api::kTxnDepthMax) return Fail(), txn;
    for (size_t left = Count(); left > 0 && !failed_; --left) txn.compare.push_back(Compare());
    Operations(txn.success, depth);
    Operations(txn.failure, depth);
    return txn;
  }
  void Operations(std::vector<api::RequestOp>& operations, int depth) {
    for (size_t left = Count(); left > 0 && !failed_; --left) Operation(operations, depth);
  }
  void Operation(std::vector<api::RequestOp>& operations, int depth) {
    switch (EnumByte(Kind::kTxn)) {
      case Kind::kRange:
        operations.emplace_back(Range());
        return;
      case Kind::kPut:
        operations.emplace_back(Put());
        return;
      case Kind::kDeleteRange:
        operations.emplace_back(DeleteRange());
        return;
      case Kind::kTxn:
        operations.emplace_back(std::make_shared<const api::TxnRequest>(Txn(depth + 1)));
        return;
      default:
        Fail();
    }
  }
  api::CompactionRequest Compaction() {
    api::CompactionRequest compaction;
    compaction.revision.value = Signed(), compaction.physical = FlagsByte(1) & 1;
    return compaction;
  }
  api::LeaseGrantRequest LeaseGrant() {
    api::LeaseGrantRequest grant;
    grant.id.value = Signed(), grant.ttl = Signed();
    return grant;
  }
  api::LeaseExpiryRequest LeaseExpiry() {
    api::LeaseExpiryRequest expiry;
    for (size_t left = Count(); left > 0 && !failed_; --left) expiry.ids.push_back({Signed()});
    return expiry;
  }
  std::vector<std::string> Texts() {
    std::vector<std::string> texts;
    for (size_t left = Count(); left > 0 && !failed_; --left) texts.push_back(Bytes());
    return texts;
  }
  api::MemberAddRequest MemberAdd() {
    api::MemberAddRequest add;
    add.id = Varint(), add.peer_urls = Texts(), add.is_learner = FlagsByte(1) & 1;
    return add;
  }
  api::MemberUpdateRequest MemberUpdate() {
    api::MemberUpdateRequest update;
    update.id = Varint(), update.peer_urls = Texts();
    return update;
  }
  api::MemberPublishRequest MemberPublish() {
    api::MemberPublishRequest publish;
    publish.id = Varint(), publish.name = Bytes(), publish.client_urls = Texts();
    if (!failed_ && !rest_.empty()) publish.incarnation = Incarnation();
    return publish;
  }
  uint64_t Incarnation() {
    const uint64_t incarnation = Varint();
    return incarnation == 0 ? Fail() : incarnation;
  }
  api::MemberBootstrapRequest MemberBootstrap() {
    api::MemberBootstrapRequest bootstrap;
    for (size_t left = Count(); left > 0 && !failed_; --left) {
      api::Member member;
      member.id = Varint(), member.name = Bytes(), member.peer_urls = Texts(), member.client_urls = Texts();
      const uint8_t flags = FlagsByte(3);
      member.is_learner = flags & 1;
      if ((flags & 2) != 0) member.incarnation = Incarnation();
      bootstrap.members.push_back(std::move(member));
    }
    return bootstrap;
  }
  api::AlarmRequest Alarm() {
    api::AlarmRequest alarm;
    alarm.action = EnumByte(api::AlarmAction::kDeactivate);
    alarm.member_id = Varint();
    alarm.alarm = EnumByte(api::AlarmType::kCorrupt);
    return alarm;
  }

  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace

std::string EncodeCommand(const Command& command) {
  Writer writer;
  writer.Byte(kFormat);
  writer.Varint(command.request.node);
  writer.Varint(command.request.sequence);
  writer.Varint(command.leader_term);
  std::visit([&writer](const auto& request) { writer.Body(request); }, command.body);
  return std::move(writer).Take();
}

absl::StatusOr<Command> DecodeCommand(std::string_view bytes) {
  Reader reader(bytes);
  if (reader.Byte() != kFormat) return absl::DataLossError("a command of an unknown format");
  Command command;
  command.request.node = reader.Varint();
  command.request.sequence = reader.Varint();
  command.leader_term = reader.Varint();
  command.body = reader.Body();
  if (!reader.done()) return absl::DataLossError("a malformed command of " + std::to_string(bytes.size()) + " bytes");
  return command;
}

}  // namespace regent::storage
