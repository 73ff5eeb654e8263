#include "api/service/decode.h"

#include <memory>
#include <optional>
#include <string>
#include <type_traits>

#include "api/contract/errors.h"
#include "api/contract/limits.h"
#include "api/contract/status_macros.h"
#include "api/contract/utf8.h"
#include "api/contract/wire.h"

namespace regent::api {
namespace {

absl::Status EndOf(const WireReader& reader) { return reader.malformed() ? ErrMalformedRequest() : absl::OkStatus(); }

template <typename T>
constexpr bool kIsText = std::is_same_v<T, std::string>;

void Assign(const WireField& field, std::string& to) { to = field.bytes; }
void Assign(const WireField& field, bool& to) { to = field.boolean(); }
void Assign(const WireField& field, int64_t& to) { to = field.int64(); }
void Assign(const WireField& field, uint64_t& to) { to = field.varint; }
void Assign(const WireField& field, Revision& to) { to = {field.int64()}; }
void Assign(const WireField& field, LeaseId& to) { to = {field.int64()}; }

template <typename Enum>
void AssignEnum(const WireField& field, Enum last, Enum& to) {
  const auto number = static_cast<int32_t>(field.varint);
  const bool known = number >= 0 && number <= static_cast<int32_t>(last);
  to = static_cast<Enum>(known ? static_cast<uint8_t>(number) : kUnknownEnum);
}
void Assign(const WireField& field, SortOrder& to) { AssignEnum(field, SortOrder::kDescend, to); }
void Assign(const WireField& field, SortTarget& to) { AssignEnum(field, SortTarget::kValue, to); }
void Assign(const WireField& field, AlarmAction& to) { AssignEnum(field, AlarmAction::kDeactivate, to); }
void Assign(const WireField& field, AlarmType& to) { AssignEnum(field, AlarmType::kCorrupt, to); }

// Where the value of a plain field goes.
template <typename T>
struct To {
  To(int number, T& variable) : tag(kIsText<T> ? BytesTag(number) : VarintTag(number)), to(variable) {}

  bool Take(const WireField& field) const {
    if (field.tag != tag) return false;
    Assign(field, to);
    return true;
  }

  const uint32_t tag;
  T& to;
};

// Reads a message of plain fields; others are skipped.
template <typename... T>
absl::Status ReadFields(std::string_view bytes, const To<T>&... fields) {
  WireReader reader(bytes);
  while (const std::optional<WireField> field = reader.Next()) {
    static_cast<void>((fields.Take(*field) || ... || false));
  }
  return EndOf(reader);
}

// The alternative T of a oneof: what is there already is merged into, anything else is replaced.
template <typename T, typename Variant>
T& CaseOf(Variant& oneof) {
  T* present = std::get_if<T>(&oneof);
  return present != nullptr ? *present : oneof.template emplace<T>();
}

// ---- transactions ------------------------------------------------------------------------------------------------

// A compare as it comes, before its oddities are put into the plain form.
struct WireCompare {
  int32_t result = 0;
  int32_t target = 0;
  int operand_field = 0;  // of the target_union; 0: missing
  int64_t number = 0;
  std::string_view value;
};

constexpr int kOperandFieldOfValue = 7;

// The field of the target_union that belongs to a target: version 4, create 5, mod 6, value 7, lease 8.
constexpr int OperandField(Compare::Target target) { return static_cast<int>(target) + 4; }

// etcd takes any number for target and result: an unknown target compares as equal, an unknown result holds for every
// key (and a value compare never holds for a missing key). Both are said with the compares that apply knows.
void SetCondition(const WireCompare& wire, Compare& out) {
  using Result = Compare::Result;
  using Target = Compare::Target;
  const bool known_target = wire.target >= 0 && wire.target <= static_cast<int32_t>(Target::kLease);
  const bool known_result = wire.result >= 0 && wire.result <= static_cast<int32_t>(Result::kNotEqual);
  if (known_target && known_result) {
    out.target = static_cast<Target>(wire.target);
    out.result = static_cast<Result>(wire.result);
    if (wire.operand_field != OperandField(out.target)) return;  // an operand of another target counts as none
    out.number = wire.number;
    out.value = wire.value;
    return;
  }
  const bool exists_only = known_target && static_cast<Target>(wire.target) == Target::kValue;
  const bool holds = !known_result || static_cast<Result>(wire.result) == Result::kEqual;
  out.target = Target::kVersion;  // of a key that exists it is at least 1, of a missing one 0
  out.result = holds ? Result::kGreater : Result::kLess;
  out.number = holds && !exists_only ? -1 : 0;
}

absl::Status DecodeCompare(std::string_view bytes, Compare& out) {
  WireCompare wire;
  WireReader reader(bytes);
  while (std::optional<WireField> field = reader.Next()) {
    switch (field->tag) {
      case VarintTag(1):
        wire.result = static_cast<int32_t>(field->varint);
        break;
      case VarintTag(2):
        wire.target = static_cast<int32_t>(field->varint);
        break;
      case BytesTag(3):
        out.key = field->bytes;
        break;
      case VarintTag(4):
      case VarintTag(5):
      case VarintTag(6):
      case VarintTag(8):
        wire.operand_field = static_cast<int>(field->tag >> 3);
        wire.number = field->int64();
        wire.value = {};
        break;
      case BytesTag(kOperandFieldOfValue):
        wire.operand_field = kOperandFieldOfValue;
        wire.number = 0;
        wire.value = field->bytes;
        break;
      case BytesTag(64):
        out.range_end = field->bytes;
        break;
    }
  }
  SetCondition(wire, out);
  return EndOf(reader);
}

struct TxnLimits {
  size_t ops_max = 0;
  int depth_left = 0;
};

absl::Status DecodeTxn(std::string_view bytes, TxnLimits limits, TxnRequest& out);

// An operation without content becomes a null nested transaction; validation refuses it.
absl::Status DecodeOp(std::string_view bytes, TxnLimits limits, RequestOp& out) {
  std::shared_ptr<TxnRequest> txn;  // what `out` holds, as long as it is being merged
  out = std::shared_ptr<const TxnRequest>();
  WireReader reader(bytes);
  while (std::optional<WireField> field = reader.Next()) {
    switch (field->tag) {
      case BytesTag(1):
        REGENT_RETURN_IF_ERROR(Decode(field->bytes, CaseOf<RangeRequest>(out)));
        break;
      case BytesTag(2):
        REGENT_RETURN_IF_ERROR(Decode(field->bytes, CaseOf<PutRequest>(out)));
        break;
      case BytesTag(3):
        REGENT_RETURN_IF_ERROR(Decode(field->bytes, CaseOf<DeleteRangeRequest>(out)));
        break;
      case BytesTag(4):
        if (!std::holds_alternative<std::shared_ptr<const TxnRequest>>(out) || txn == nullptr) {
          txn = std::make_shared<TxnRequest>();
          out = txn;
        }
        REGENT_RETURN_IF_ERROR(DecodeTxn(field->bytes, limits, *txn));
        break;
    }
  }
  return EndOf(reader);
}

template <typename T>
absl::StatusOr<T*> AddTo(std::vector<T>& list, size_t size_max) {
  if (list.size() >= size_max) return ErrTooManyOps();
  return &list.emplace_back();
}

absl::Status DecodeTxn(std::string_view bytes, TxnLimits limits, TxnRequest& out) {
  if (limits.depth_left-- == 0) return ErrTooManyOps();
  WireReader reader(bytes);
  while (std::optional<WireField> field = reader.Next()) {
    switch (field->tag) {
      case BytesTag(1): {
        REGENT_ASSIGN_OR_RETURN(Compare* const compare, AddTo(out.compare, limits.ops_max));
        REGENT_RETURN_IF_ERROR(DecodeCompare(field->bytes, *compare));
        break;
      }
      case BytesTag(2):
      case BytesTag(3): {
        std::vector<RequestOp>& branch = field->tag == BytesTag(2) ? out.success : out.failure;
        REGENT_ASSIGN_OR_RETURN(RequestOp* const op, AddTo(branch, limits.ops_max));
        REGENT_RETURN_IF_ERROR(DecodeOp(field->bytes, limits, *op));
        break;
      }
    }
  }
  return EndOf(reader);
}

// ---- watches -----------------------------------------------------------------------------------------------------

void AddFilter(uint64_t filter, WatchCreate& out) {
  switch (static_cast<int32_t>(filter)) {
    case 0:
      out.no_put = true;
      break;
    case 1:
      out.no_delete = true;
      break;
    default:
      break;  // a filter that does not exist filters nothing
  }
}

// A repeated enum comes one by one or packed: varints without tags.
bool AddPackedFilters(std::string_view packed, WatchCreate& out) {
  while (!packed.empty()) {
    size_t size = 0;
    while (size < packed.size() && static_cast<unsigned char>(packed[size]) >= 0x80) ++size;
    if (size == packed.size() || size >= 10) return false;
    uint64_t value = 0;
    for (size_t i = 0; i <= size; ++i) {
      value |= static_cast<uint64_t>(static_cast<unsigned char>(packed[i]) & 0x7f) << (7 * i);
    }
    AddFilter(value, out);
    packed.remove_prefix(size + 1);
  }
  return true;
}

absl::Status DecodeWatchCreate(std::string_view bytes, WatchCreate& out) {
  WireReader reader(bytes);
  while (std::optional<WireField> field = reader.Next()) {
    switch (field->tag) {
      case BytesTag(1):
        out.key = field->bytes;
        break;
      case BytesTag(2):
        out.range_end = field->bytes;
        break;
      case VarintTag(3):
        out.start_revision = {field->int64()};
        break;
      case VarintTag(4):
        out.progress_notify = field->boolean();
        break;
      case VarintTag(5):
        AddFilter(field->varint, out);
        break;
      case BytesTag(5):
        if (!AddPackedFilters(field->bytes, out)) return ErrMalformedRequest();
        break;
      case VarintTag(6):
        out.prev_kv = field->boolean();
        break;
      case VarintTag(7):
        out.watch_id = field->int64();
        break;
      case VarintTag(8):
        out.fragment = field->boolean();
        break;
    }
  }
  return EndOf(reader);
}

}  // namespace

absl::Status Decode(std::string_view bytes, RangeRequest& out) {
  return ReadFields(bytes, To(1, out.key), To(2, out.range_end), To(3, out.limit), To(4, out.revision),
                    To(5, out.sort_order), To(6, out.sort_target), To(7, out.serializable), To(8, out.keys_only),
                    To(9, out.count_only), To(10, out.min_mod_revision), To(11, out.max_mod_revision),
                    To(12, out.min_create_revision), To(13, out.max_create_revision));
}

absl::Status Decode(std::string_view bytes, PutRequest& out) {
  return ReadFields(bytes, To(1, out.key), To(2, out.value), To(3, out.lease), To(4, out.prev_kv),
                    To(5, out.ignore_value), To(6, out.ignore_lease));
}

absl::Status Decode(std::string_view bytes, DeleteRangeRequest& out) {
  return ReadFields(bytes, To(1, out.key), To(2, out.range_end), To(3, out.prev_kv));
}

absl::Status Decode(std::string_view bytes, size_t ops_max, TxnRequest& out) {
  return DecodeTxn(bytes, {.ops_max = ops_max, .depth_left = kTxnDepthMax}, out);
}

absl::Status Decode(std::string_view bytes, CompactionRequest& out) {
  return ReadFields(bytes, To(1, out.revision), To(2, out.physical));
}

absl::Status Decode(std::string_view bytes, LeaseGrantRequest& out) {
  return ReadFields(bytes, To(1, out.ttl), To(2, out.id));
}

absl::Status Decode(std::string_view bytes, LeaseRevokeRequest& out) { return ReadFields(bytes, To(1, out.id)); }
absl::Status Decode(std::string_view bytes, LeaseKeepAliveRequest& out) { return ReadFields(bytes, To(1, out.id)); }

absl::Status Decode(std::string_view bytes, LeaseTimeToLiveRequest& out) {
  return ReadFields(bytes, To(1, out.id), To(2, out.keys));
}

absl::Status Decode(std::string_view bytes, WatchRequest& out) {
  WireReader reader(bytes);
  while (std::optional<WireField> field = reader.Next()) {
    switch (field->tag) {
      case BytesTag(1):
        REGENT_RETURN_IF_ERROR(DecodeWatchCreate(field->bytes, CaseOf<WatchCreate>(out)));
        break;
      case BytesTag(2):
        REGENT_RETURN_IF_ERROR(ReadFields(field->bytes, To(1, CaseOf<WatchCancel>(out).watch_id)));
        break;
      case BytesTag(3):
        CaseOf<WatchProgress>(out);
        REGENT_RETURN_IF_ERROR(ReadFields(field->bytes));
        break;
    }
  }
  return EndOf(reader);
}

absl::Status Decode(std::string_view bytes, AlarmRequest& out) {
  return ReadFields(bytes, To(1, out.action), To(2, out.member_id), To(3, out.alarm));
}

absl::Status Decode(std::string_view bytes, HashKvRequest& out) { return ReadFields(bytes, To(1, out.revision)); }

absl::Status Decode(std::string_view bytes, MoveLeaderRequest& out) { return ReadFields(bytes, To(1, out.target_id)); }

absl::Status Decode(std::string_view bytes, MemberListRequest& out) {
  return ReadFields(bytes, To(1, out.linearizable));
}

// A message whose only texts are a list; `numbers` takes the other fields.
template <typename Take>
absl::Status ReadTexts(std::string_view bytes, int number, std::vector<std::string>& texts, Take take) {
  WireReader reader(bytes);
  while (const std::optional<WireField> field = reader.Next()) {
    if (field->tag == BytesTag(number)) {
      if (!IsUtf8(field->bytes)) return ErrMalformedText();
      texts.emplace_back(field->bytes);
    } else {
      take(*field);
    }
  }
  return EndOf(reader);
}

absl::Status Decode(std::string_view bytes, MemberAddRequest& out) {
  return ReadTexts(bytes, 1, out.peer_urls, [&](const WireField& field) { To(2, out.is_learner).Take(field); });
}

absl::Status Decode(std::string_view bytes, MemberUpdateRequest& out) {
  return ReadTexts(bytes, 2, out.peer_urls, [&](const WireField& field) { To(1, out.id).Take(field); });
}

absl::Status Decode(std::string_view bytes, MemberRemoveRequest& out) { return ReadFields(bytes, To(1, out.id)); }

absl::Status Decode(std::string_view bytes, MemberPromoteRequest& out) { return ReadFields(bytes, To(1, out.id)); }

absl::Status Decode(std::string_view bytes, HealthCheckRequest& out) {
  WireReader reader(bytes);
  while (std::optional<WireField> field = reader.Next()) {
    if (field->tag != BytesTag(1)) continue;
    if (!IsUtf8(field->bytes)) return ErrMalformedText();
    out.service = field->bytes;
  }
  return EndOf(reader);
}

absl::Status Decode(std::string_view bytes, EmptyRequest&) { return ReadFields(bytes); }

}  // namespace regent::api
