#include "tests/api/oracle.h"

#include <memory>
#include <sstream>

#include "api/contract/proto/cluster.pb.h"
#include "api/contract/proto/health.pb.h"
#include "api/contract/proto/lease.pb.h"
#include "api/contract/proto/maintenance.pb.h"
#include "api/contract/proto/range.pb.h"
#include "api/contract/proto/watch.pb.h"
#include "api/service/decode.h"
#include "google/protobuf/stubs/logging.h"

namespace regent::api {
namespace {

namespace pb = etcdserverpb;

// ---- a text for each request, from the plain struct and from the generated message ---------------------------------

std::string Quote(std::string_view bytes) {
  std::ostringstream out;
  for (const char byte : bytes) out << std::hex << (static_cast<int>(byte) & 0xff) << '.';
  return "'" + out.str() + "'";
}

template <typename... Parts>
std::string Join(const Parts&... parts) {
  std::ostringstream out;
  ((out << parts << ' '), ...);
  return out.str();
}

int Known(int number, int last) { return number >= 0 && number <= last ? number : kUnknownEnum; }

std::string Text(const RangeRequest& r) {
  return Join("range", Quote(r.key), Quote(r.range_end), r.limit, r.revision.value, int(r.sort_order),
              int(r.sort_target), r.serializable, r.keys_only, r.count_only, r.min_mod_revision.value,
              r.max_mod_revision.value, r.min_create_revision.value, r.max_create_revision.value);
}
std::string Text(const pb::RangeRequest& r) {
  return Join("range", Quote(r.key()), Quote(r.range_end()), r.limit(), r.revision(), Known(r.sort_order(), 2),
              Known(r.sort_target(), 4), r.serializable(), r.keys_only(), r.count_only(), r.min_mod_revision(),
              r.max_mod_revision(), r.min_create_revision(), r.max_create_revision());
}

std::string Text(const PutRequest& r) {
  return Join("put", Quote(r.key), Quote(r.value), r.lease.value, r.prev_kv, r.ignore_value, r.ignore_lease);
}
std::string Text(const pb::PutRequest& r) {
  return Join("put", Quote(r.key()), Quote(r.value()), r.lease(), r.prev_kv(), r.ignore_value(), r.ignore_lease());
}

std::string Text(const DeleteRangeRequest& r) { return Join("delete", Quote(r.key), Quote(r.range_end), r.prev_kv); }
std::string Text(const pb::DeleteRangeRequest& r) {
  return Join("delete", Quote(r.key()), Quote(r.range_end()), r.prev_kv());
}

// Conditions with numbers outside the enums have a test of their own; here only their keys are compared.
std::string Text(const Compare& c, bool known) {
  const std::string keys = Join("compare", Quote(c.key), Quote(c.range_end));
  return known ? Join(keys, int(c.result), int(c.target), c.number, Quote(c.value)) : keys;
}
bool HasKnownCondition(const pb::Compare& c) { return Known(c.result(), 3) != 255 && Known(c.target(), 4) != 255; }
std::string Text(const pb::Compare& c) {
  const std::string keys = Join("compare", Quote(c.key()), Quote(c.range_end()));
  if (!HasKnownCondition(c)) return keys;
  int64_t number = 0;
  std::string value;
  switch (c.target()) {
    case pb::Compare::VERSION:
      number = c.version();
      break;
    case pb::Compare::CREATE:
      number = c.create_revision();
      break;
    case pb::Compare::MOD:
      number = c.mod_revision();
      break;
    case pb::Compare::VALUE:
      value = c.value();
      break;
    default:
      number = c.lease();
      break;
  }
  return Join(keys, int(c.result()), int(c.target()), number, Quote(value));
}

std::string Text(const TxnRequest& r, const pb::TxnRequest& twin);
std::string Text(const RequestOp& op, const pb::RequestOp& twin) {
  if (const auto* range = std::get_if<RangeRequest>(&op)) return Text(*range);
  if (const auto* put = std::get_if<PutRequest>(&op)) return Text(*put);
  if (const auto* delete_range = std::get_if<DeleteRangeRequest>(&op)) return Text(*delete_range);
  const auto& txn = std::get<std::shared_ptr<const TxnRequest>>(op);
  return txn == nullptr ? "nothing" : Text(*txn, twin.request_txn());
}
// The twin only says which compares are to be shown in full.
std::string Text(const TxnRequest& r, const pb::TxnRequest& twin) {
  std::string out = "txn{";
  for (size_t i = 0; i < r.compare.size(); ++i) {
    const bool known = static_cast<int>(i) >= twin.compare_size() || HasKnownCondition(twin.compare(int(i)));
    out += Text(r.compare[i], known) + ",";
  }
  const auto branch = [&out](const std::vector<RequestOp>& ops, const auto& twins) {
    out += "|";
    for (size_t i = 0; i < ops.size(); ++i) {
      out += Text(ops[i], static_cast<int>(i) < twins.size() ? twins.Get(int(i)) : pb::RequestOp()) + ",";
    }
  };
  branch(r.success, twin.success());
  branch(r.failure, twin.failure());
  return out + "}";
}

std::string Text(const pb::TxnRequest& r);
std::string Text(const pb::RequestOp& op) {
  switch (op.request_case()) {
    case pb::RequestOp::kRequestRange:
      return Text(op.request_range());
    case pb::RequestOp::kRequestPut:
      return Text(op.request_put());
    case pb::RequestOp::kRequestDeleteRange:
      return Text(op.request_delete_range());
    case pb::RequestOp::kRequestTxn:
      return Text(op.request_txn());
    default:
      return "nothing";
  }
}
std::string Text(const pb::TxnRequest& r) {
  std::string out = "txn{";
  for (const auto& compare : r.compare()) out += Text(compare) + ",";
  out += "|";
  for (const auto& op : r.success()) out += Text(op) + ",";
  out += "|";
  for (const auto& op : r.failure()) out += Text(op) + ",";
  return out + "}";
}

std::string Text(const CompactionRequest& r) { return Join(r.revision.value, r.physical); }
std::string Text(const pb::CompactionRequest& r) { return Join(r.revision(), r.physical()); }
std::string Text(const LeaseGrantRequest& r) { return Join(r.id.value, r.ttl); }
std::string Text(const pb::LeaseGrantRequest& r) { return Join(r.id(), r.ttl()); }
std::string Text(const LeaseRevokeRequest& r) { return Join(r.id.value); }
std::string Text(const pb::LeaseRevokeRequest& r) { return Join(r.id()); }
std::string Text(const LeaseKeepAliveRequest& r) { return Join(r.id.value); }
std::string Text(const pb::LeaseKeepAliveRequest& r) { return Join(r.id()); }
std::string Text(const LeaseTimeToLiveRequest& r) { return Join(r.id.value, r.keys); }
std::string Text(const pb::LeaseTimeToLiveRequest& r) { return Join(r.id(), r.keys()); }
std::string Text(const AlarmRequest& r) { return Join(int(r.action), r.member_id, int(r.alarm)); }
std::string Text(const pb::AlarmRequest& r) { return Join(Known(r.action(), 2), r.memberid(), Known(r.alarm(), 2)); }
std::string Text(const MemberListRequest& r) { return Join(r.linearizable); }
std::string Text(const pb::MemberListRequest& r) { return Join(r.linearizable()); }
std::string Text(const HealthCheckRequest& r) { return Quote(r.service); }
std::string Text(const grpc::health::v1::HealthCheckRequest& r) { return Quote(r.service()); }
std::string Text(const EmptyRequest&) { return ""; }
std::string Text(const pb::StatusRequest&) { return ""; }

std::string Text(const WatchRequest& r) {
  if (const auto* c = std::get_if<WatchCreate>(&r)) {
    return Join("create", Quote(c->key), Quote(c->range_end), c->start_revision.value, c->progress_notify, c->no_put,
                c->no_delete, c->prev_kv, c->watch_id, c->fragment);
  }
  if (const auto* cancel = std::get_if<WatchCancel>(&r)) return Join("cancel", cancel->watch_id);
  return std::holds_alternative<WatchProgress>(r) ? "progress" : "nothing";
}
std::string Text(const pb::WatchRequest& r) {
  if (r.has_create_request()) {
    const auto& c = r.create_request();
    bool no_put = false, no_delete = false;
    for (const int filter : c.filters()) no_put |= filter == 0, no_delete |= filter == 1;
    return Join("create", Quote(c.key()), Quote(c.range_end()), c.start_revision(), c.progress_notify(), no_put,
                no_delete, c.prev_kv(), c.watch_id(), c.fragment());
  }
  if (r.has_cancel_request()) return Join("cancel", r.cancel_request().watch_id());
  return r.has_progress_request() ? "progress" : "nothing";
}

// ---- the comparison ------------------------------------------------------------------------------------------------

template <typename Ours>
absl::Status Ask(std::string_view bytes, Ours& out) {
  return Decode(bytes, out);
}
absl::Status Ask(std::string_view bytes, TxnRequest& out) { return Decode(bytes, 1'000'000, out); }

template <typename Ours, typename Theirs>
std::string OurText(const Ours& ours, const Theirs&) {
  return Text(ours);
}
std::string OurText(const TxnRequest& ours, const pb::TxnRequest& theirs) { return Text(ours, theirs); }

// A tag has at most five bytes, a number at most ten: more, or the last of them too large, is cut off by the library.
bool HasLongVarint(std::string_view bytes) {
  size_t run = 0;
  for (const char byte : bytes) {
    run = (byte & 0x80) != 0 ? run + 1 : 0;
    if (run >= 4) return true;
  }
  return false;
}

template <typename Ours, typename Theirs>
std::string CompareAs(std::string_view bytes, std::string_view bytes_of_library, bool* both_accept) {
  const google::protobuf::LogSilencer silence;  // the library complains aloud about text that is not UTF-8
  Ours ours;
  Theirs theirs;
  const absl::Status status = Ask(bytes, ours);
  const bool accepted = theirs.ParseFromArray(bytes_of_library.data(), static_cast<int>(bytes_of_library.size()));
  *both_accept = status.ok() && accepted;
  if (status.ok() != accepted) {
    if (HasLongVarint(bytes)) return "";
    return Quote(bytes) + ": we say " + std::string(status.message()) + ", the library " + (accepted ? "yes" : "no");
  }
  if (!*both_accept || OurText(ours, theirs) == Text(theirs)) return "";
  return Quote(bytes) + ":\n  we:          " + OurText(ours, theirs) + "\n  the library: " + Text(theirs);
}

struct Kind {
  std::string (*compare)(std::string_view, std::string_view, bool*);
  std::unique_ptr<google::protobuf::Message> (*make)();
};

template <typename Ours, typename Theirs>
constexpr Kind KindOf() {
  return {&CompareAs<Ours, Theirs>,
          []() -> std::unique_ptr<google::protobuf::Message> { return std::make_unique<Theirs>(); }};
}

constexpr Kind kKinds[kRequestKinds] = {
    KindOf<RangeRequest, pb::RangeRequest>(),
    KindOf<PutRequest, pb::PutRequest>(),
    KindOf<DeleteRangeRequest, pb::DeleteRangeRequest>(),
    KindOf<TxnRequest, pb::TxnRequest>(),
    KindOf<CompactionRequest, pb::CompactionRequest>(),
    KindOf<LeaseGrantRequest, pb::LeaseGrantRequest>(),
    KindOf<LeaseRevokeRequest, pb::LeaseRevokeRequest>(),
    KindOf<LeaseKeepAliveRequest, pb::LeaseKeepAliveRequest>(),
    KindOf<LeaseTimeToLiveRequest, pb::LeaseTimeToLiveRequest>(),
    KindOf<WatchRequest, pb::WatchRequest>(),
    KindOf<AlarmRequest, pb::AlarmRequest>(),
    KindOf<MemberListRequest, pb::MemberListRequest>(),
    KindOf<HealthCheckRequest, grpc::health::v1::HealthCheckRequest>(),
    KindOf<EmptyRequest, pb::StatusRequest>(),
};

// ---- random messages -----------------------------------------------------------------------------------------------

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string RandomBytes(std::mt19937_64& random) {
  std::string bytes(random() % 4, '\0');
  for (char& byte : bytes)
    byte =
        "\0\x01\x7f\x80\xff"
        "abc"[random() % 8];
  if (random() % 50 == 0) bytes.append(random() % 5000, 'v');
  return bytes;
}

std::string RandomText(std::mt19937_64& random) { return random() % 2 == 0 ? "" : "na\xc3\xafve"; }

int64_t RandomNumber(std::mt19937_64& random) {
  switch (random() % 5) {
    case 0:
      return 0;
    case 1:
      return static_cast<int64_t>(random());
    case 2:
      return -static_cast<int64_t>(random() % 3);
    default:
      return static_cast<int64_t>(random() % 200);
  }
}

void SetAtRandom(Message& message, const FieldDescriptor* field, std::mt19937_64& random, int depth) {
  const auto* reflection = message.GetReflection();
  const bool repeated = field->is_repeated();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return FillAtRandom(
          repeated ? *reflection->AddMessage(&message, field) : *reflection->MutableMessage(&message, field), random,
          depth - 1);
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number = static_cast<int>(random() % 8) - 1;
      return repeated ? reflection->AddEnumValue(&message, field, number)
                      : reflection->SetEnumValue(&message, field, number);
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      const bool text = field->type() == FieldDescriptor::TYPE_STRING;
      const std::string value = text ? RandomText(random) : RandomBytes(random);
      return repeated ? reflection->AddString(&message, field, value) : reflection->SetString(&message, field, value);
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->SetBool(&message, field, random() % 2 == 0);
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection->SetInt64(&message, field, RandomNumber(random));
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection->SetUInt64(&message, field, static_cast<uint64_t>(RandomNumber(random)));
    default:
      abort();  // no other type is declared
  }
}

}  // namespace

std::unique_ptr<google::protobuf::Message> NewRequest(int kind) { return kKinds[kind].make(); }

std::string CompareDecoders(int kind, std::string_view bytes, bool* both_accept) {
  return CompareDecoders(kind, bytes, bytes, both_accept);
}

std::string CompareDecoders(int kind, std::string_view bytes, std::string_view bytes_of_library, bool* both_accept) {
  return kKinds[kind].compare(bytes, bytes_of_library, both_accept);
}

void FillAtRandom(google::protobuf::Message& message, std::mt19937_64& random, int depth) {
  const auto* descriptor = message.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && depth == 0) continue;
    for (uint64_t n = random() % (field->is_repeated() ? 4 : 2); n > 0; --n) SetAtRandom(message, field, random, depth);
  }
}

}  // namespace regent::api
