#include "api/contract/request_text.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include "api/contract/utf8.h"

namespace regent::api {
namespace {

constexpr size_t kLeasesShown = 8;

enum class Form { kPlain, kOld };  // of a message; see the header

std::string Quoted(std::string_view bytes, Form form) {
  const bool text = form == Form::kPlain && IsUtf8(bytes);
  std::string out = "\"";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    std::array<char, 8> escaped{};
    if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (c == '\n' || c == '\r' || c == '\t') {
      (out += '\\') += c == '\n' ? 'n' : c == '\r' ? 'r' : 't';
    } else if ((byte >= 0x20 && byte < 0x7f) || (text && byte >= 0x80)) {
      out += c;
    } else {
      std::snprintf(escaped.data(), escaped.size(), form == Form::kOld ? "\\%03o" : "\\x%02x", byte);
      out += escaped.data();
    }
  }
  return out + '"';
}

// Collects `name:value`; fields with their default values are left out.
class Fields {
 public:
  explicit Fields(Form form) : form_(form) {}

  Fields& Bytes(std::string_view name, std::string_view value) {
    return value.empty() ? *this : Add(name, Quoted(value, form_));
  }
  Fields& Number(std::string_view name, int64_t value) { return value == 0 ? *this : Add(name, std::to_string(value)); }
  Fields& Flag(std::string_view name, bool value) { return value ? Add(name, "true") : *this; }
  // The first name is the default.
  template <typename Enum, size_t kCount>
  Fields& Choice(std::string_view name, Enum value, const std::array<std::string_view, kCount>& names) {
    const auto index = static_cast<size_t>(value);
    if (index == 0) return *this;
    return Add(name, index < kCount ? std::string(names[index]) : std::to_string(index));
  }
  Fields& Add(std::string_view name, std::string_view value) {
    if (form_ == Form::kPlain && !text_.empty()) text_ += ' ';
    text_.append(name).append(":").append(value);
    if (form_ == Form::kOld) text_ += ' ';
    return *this;
  }
  std::string Take() { return std::move(text_); }

 private:
  const Form form_;
  std::string text_;
};

constexpr std::array<std::string_view, 3> kOrders = {"NONE", "ASCEND", "DESCEND"};
constexpr std::array<std::string_view, 5> kSortTargets = {"KEY", "VERSION", "CREATE", "MOD", "VALUE"};
constexpr std::array<std::string_view, 4> kResults = {"EQUAL", "GREATER", "LESS", "NOT_EQUAL"};
constexpr std::array<std::string_view, 5> kTargets = {"VERSION", "CREATE", "MOD", "VALUE", "LEASE"};
constexpr std::array<std::string_view, 5> kOperands = {"version", "create_revision", "mod_revision", "", "lease"};
constexpr std::array<std::string_view, 3> kActions = {"GET", "ACTIVATE", "DEACTIVATE"};
constexpr std::array<std::string_view, 3> kAlarms = {"NONE", "NOSPACE", "CORRUPT"};

std::string CompareText(const Compare& compare) {
  const bool is_value = compare.target == Compare::Target::kValue;
  Fields fields(is_value ? Form::kOld : Form::kPlain);
  fields.Choice("result", compare.result, kResults).Choice("target", compare.target, kTargets);
  fields.Bytes("key", compare.key);
  if (is_value) {
    fields.Number("value_size", static_cast<int64_t>(compare.value.size()));
  } else {  // of a oneof: shown when it is 0 as well
    fields.Add(kOperands.at(static_cast<size_t>(compare.target)), std::to_string(compare.number));
  }
  return fields.Bytes("range_end", compare.range_end).Take();
}

struct OperationText {
  std::string operator()(const RangeRequest& range) const { return "request_range:{" + RequestText(range) + "}"; }
  std::string operator()(const PutRequest& put) const { return "request_put:<" + RequestText(put) + ">"; }
  std::string operator()(const DeleteRangeRequest& range) const {
    return "request_delete_range:{" + RequestText(range) + "}";
  }
  std::string operator()(const std::shared_ptr<const TxnRequest>& txn) const {
    if (txn == nullptr) return "";  // an operation without a request
    return "request_txn:<" + RequestText(*txn) + ">";
  }
};

template <typename Item, typename Text>
std::string Joined(const std::vector<Item>& items, Text text) {
  std::string all;
  for (const Item& item : items) {
    if (&item != &items.front()) all += ' ';
    all += text(item);
  }
  return all;
}

std::string Hexadecimal(LeaseId id) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(id.value));
  return text.data();
}

std::string Same(const std::string& text) { return text; }

std::string RevokeText(LeaseId id) { return "lease_revoke:<id:" + Hexadecimal(id) + ">"; }

struct BodyText {
  std::string operator()(const PutRequest& put) const { return "put:<" + RequestText(put) + ">"; }
  std::string operator()(const TxnRequest& txn) const { return "txn:<" + RequestText(txn) + ">"; }
  std::string operator()(const DeleteRangeRequest& range) const { return "delete_range:{" + RequestText(range) + "}"; }
  std::string operator()(const CompactionRequest& compaction) const {
    Fields fields(Form::kPlain);
    fields.Number("revision", compaction.revision.value).Flag("physical", compaction.physical);
    return "compaction:{" + fields.Take() + "}";
  }
  std::string operator()(const LeaseGrantRequest& grant) const {
    return "lease_grant:<ttl:" + std::to_string(grant.ttl) + "-second id:" + Hexadecimal(grant.id) + ">";
  }
  std::string operator()(const LeaseRevokeRequest& revoke) const { return RevokeText(revoke.id); }
  std::string operator()(const LeaseExpiryRequest& expiry) const {
    const size_t shown = std::min(expiry.ids.size(), kLeasesShown);
    const std::vector<LeaseId> first(expiry.ids.begin(), expiry.ids.begin() + static_cast<std::ptrdiff_t>(shown));
    const size_t more = expiry.ids.size() - shown;
    return Joined(first, RevokeText) + (more == 0 ? "" : " and " + std::to_string(more) + " more");
  }
  std::string operator()(const MemberAddRequest& add) const {
    return "member_add:{ID:" + std::to_string(add.id) + " peerURLs:[" + Joined(add.peer_urls, Same) + "]" +
           (add.is_learner ? " isLearner:true}" : "}");
  }
  std::string operator()(const MemberRemoveRequest& remove) const {
    return "member_remove:{ID:" + std::to_string(remove.id) + "}";
  }
  std::string operator()(const MemberPromoteRequest& promote) const {
    return "member_promote:{ID:" + std::to_string(promote.id) + "}";
  }
  std::string operator()(const MemberUpdateRequest& update) const {
    return "member_update:{ID:" + std::to_string(update.id) + " peerURLs:[" + Joined(update.peer_urls, Same) + "]}";
  }
  std::string operator()(const MemberPublishRequest& publish) const {
    return "cluster_member_attr_set:{member_ID:" + std::to_string(publish.id) + " name:" + publish.name +
           " client_urls:[" + Joined(publish.client_urls, Same) + "]}";
  }
  std::string operator()(const MemberBootstrapRequest& bootstrap) const {
    return "members:[" + Joined(bootstrap.members, [](const Member& member) { return member.name; }) + "]";
  }
  std::string operator()(const AlarmRequest& alarm) const {
    Fields fields(Form::kPlain);
    fields.Choice("action", alarm.action, kActions);
    if (alarm.member_id != 0) fields.Add("memberID", std::to_string(alarm.member_id));
    return "alarm:{" + fields.Choice("alarm", alarm.alarm, kAlarms).Take() + "}";
  }
};

}  // namespace

std::string RequestText(const RangeRequest& request) {
  return Fields(Form::kPlain)
      .Bytes("key", request.key)
      .Bytes("range_end", request.range_end)
      .Number("limit", request.limit)
      .Number("revision", request.revision.value)
      .Choice("sort_order", request.sort_order, kOrders)
      .Choice("sort_target", request.sort_target, kSortTargets)
      .Flag("serializable", request.serializable)
      .Flag("keys_only", request.keys_only)
      .Flag("count_only", request.count_only)
      .Number("min_mod_revision", request.min_mod_revision.value)
      .Number("max_mod_revision", request.max_mod_revision.value)
      .Number("min_create_revision", request.min_create_revision.value)
      .Number("max_create_revision", request.max_create_revision.value)
      .Take();
}

std::string RequestText(const PutRequest& request) {
  return Fields(Form::kOld)
      .Bytes("key", request.key)
      .Number("value_size", static_cast<int64_t>(request.value.size()))
      .Number("lease", request.lease.value)
      .Flag("prev_kv", request.prev_kv)
      .Flag("ignore_value", request.ignore_value)
      .Flag("ignore_lease", request.ignore_lease)
      .Take();
}

std::string RequestText(const DeleteRangeRequest& request) {
  return Fields(Form::kPlain)
      .Bytes("key", request.key)
      .Bytes("range_end", request.range_end)
      .Flag("prev_kv", request.prev_kv)
      .Take();
}

std::string RequestText(const TxnRequest& request) {
  const auto operation = [](const RequestOp& op) { return std::visit(OperationText(), op); };
  return "compare:<" + Joined(request.compare, CompareText) + "> success:<" + Joined(request.success, operation) +
         "> failure:<" + Joined(request.failure, operation) + ">";
}

std::string ProposalText(const WriteRequest& request, uint64_t id) {
  const bool braces = std::holds_alternative<DeleteRangeRequest>(request) ||
                      std::holds_alternative<CompactionRequest>(request) ||
                      std::holds_alternative<AlarmRequest>(request);
  const std::string number = "ID:" + std::to_string(id);
  return (braces ? "header:{" + number + "} " : "header:<" + number + "> ") + std::visit(BodyText(), request);
}

}  // namespace regent::api
