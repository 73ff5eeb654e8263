#include "server/cli/request_json.h"

#include "api/contract/proto/lease.pb.h"
#include "api/contract/proto/maintenance.pb.h"
#include "api/contract/proto/range.pb.h"
#include "api/contract/status_macros.h"
#include "raft/configuration.h"
#include "server/cli/json_object.h"

namespace regent::server {
namespace {

namespace pb = etcdserverpb;

void Fill(const api::PutRequest& put, pb::PutRequest* message) {
  message->set_key(put.key);
  message->set_value(put.value);
  message->set_lease(put.lease.value);
  message->set_prev_kv(put.prev_kv);
  message->set_ignore_value(put.ignore_value);
  message->set_ignore_lease(put.ignore_lease);
}

void Fill(const api::DeleteRangeRequest& range, pb::DeleteRangeRequest* message) {
  message->set_key(range.key);
  message->set_range_end(range.range_end);
  message->set_prev_kv(range.prev_kv);
}

void Fill(const api::RangeRequest& range, pb::RangeRequest* message) {
  message->set_key(range.key);
  message->set_range_end(range.range_end);
  message->set_limit(range.limit);
  message->set_revision(range.revision.value);
  message->set_sort_order(static_cast<pb::RangeRequest::SortOrder>(range.sort_order));
  message->set_sort_target(static_cast<pb::RangeRequest::SortTarget>(range.sort_target));
  message->set_serializable(range.serializable);
  message->set_keys_only(range.keys_only);
  message->set_count_only(range.count_only);
  message->set_min_mod_revision(range.min_mod_revision.value);
  message->set_max_mod_revision(range.max_mod_revision.value);
  message->set_min_create_revision(range.min_create_revision.value);
  message->set_max_create_revision(range.max_create_revision.value);
}

void Fill(const api::Compare& compare, pb::Compare* message) {
  message->set_result(static_cast<pb::Compare::CompareResult>(compare.result));
  message->set_target(static_cast<pb::Compare::CompareTarget>(compare.target));
  message->set_key(compare.key);
  message->set_range_end(compare.range_end);
  switch (compare.target) {
    case api::Compare::Target::kVersion:
      return message->set_version(compare.number);
    case api::Compare::Target::kCreate:
      return message->set_create_revision(compare.number);
    case api::Compare::Target::kMod:
      return message->set_mod_revision(compare.number);
    case api::Compare::Target::kValue:
      return message->set_value(compare.value);
    case api::Compare::Target::kLease:
      return message->set_lease(compare.number);
  }
}

void Fill(const api::TxnRequest& txn, pb::TxnRequest* message);

struct FillOperation {
  pb::RequestOp* message;
  void operator()(const api::RangeRequest& range) const { Fill(range, message->mutable_request_range()); }
  void operator()(const api::PutRequest& put) const { Fill(put, message->mutable_request_put()); }
  void operator()(const api::DeleteRangeRequest& range) const { Fill(range, message->mutable_request_delete_range()); }
  void operator()(const std::shared_ptr<const api::TxnRequest>& txn) const {
    Fill(*txn, message->mutable_request_txn());
  }
};

void Fill(const api::TxnRequest& txn, pb::TxnRequest* message) {
  for (const api::Compare& compare : txn.compare) Fill(compare, message->add_compare());
  for (const api::RequestOp& operation : txn.success) std::visit(FillOperation{message->add_success()}, operation);
  for (const api::RequestOp& operation : txn.failure) std::visit(FillOperation{message->add_failure()}, operation);
}

// A body as its name and its message's JSON.
class Printer {
 public:
  Printer(const api::MessageJson& printer, uint64_t leader_term) : printer_(printer), leader_term_(leader_term) {}

  absl::StatusOr<std::string> operator()(const api::PutRequest& put) const {
    return Filled<pb::PutRequest>("put", put);
  }
  absl::StatusOr<std::string> operator()(const api::DeleteRangeRequest& range) const {
    return Filled<pb::DeleteRangeRequest>("delete_range", range);
  }
  absl::StatusOr<std::string> operator()(const api::TxnRequest& txn) const {
    return Filled<pb::TxnRequest>("txn", txn);
  }
  absl::StatusOr<std::string> operator()(const api::CompactionRequest& compaction) const {
    pb::CompactionRequest message;
    message.set_revision(compaction.revision.value);
    message.set_physical(compaction.physical);
    return Print("compaction", message);
  }
  absl::StatusOr<std::string> operator()(const api::LeaseGrantRequest& grant) const {
    pb::LeaseGrantRequest message;
    message.set_id(grant.id.value);
    message.set_ttl(grant.ttl);
    return Print("lease_grant", message);
  }
  absl::StatusOr<std::string> operator()(const api::LeaseRevokeRequest& revoke) const {
    pb::LeaseRevokeRequest message;
    message.set_id(revoke.id.value);
    return Print("lease_revoke", message);
  }
  absl::StatusOr<std::string> operator()(const api::AlarmRequest& alarm) const {
    pb::AlarmRequest message;
    message.set_action(static_cast<pb::AlarmRequest::AlarmAction>(alarm.action));
    message.set_memberid(alarm.member_id);
    message.set_alarm(static_cast<pb::AlarmType>(alarm.alarm));
    return Print("alarm", message);
  }
  absl::StatusOr<std::string> operator()(const api::MemberAddRequest& add) const {
    JsonObject body;
    body.Text("ID", std::to_string(add.id)).Texts("peerURLs", add.peer_urls);
    if (add.is_learner) body.Json("isLearner", "true");
    return JsonObject().Json("member_add", body.Take()).Take();
  }
  absl::StatusOr<std::string> operator()(const api::MemberRemoveRequest& remove) const {
    return JsonObject().Json("member_remove", JsonObject().Text("ID", std::to_string(remove.id)).Take()).Take();
  }
  absl::StatusOr<std::string> operator()(const api::MemberPromoteRequest& promote) const {
    return JsonObject().Json("member_promote", JsonObject().Text("ID", std::to_string(promote.id)).Take()).Take();
  }
  absl::StatusOr<std::string> operator()(const api::MemberUpdateRequest& update) const {
    JsonObject body;
    body.Text("ID", std::to_string(update.id)).Texts("peerURLs", update.peer_urls);
    return JsonObject().Json("member_update", body.Take()).Take();
  }
  absl::StatusOr<std::string> operator()(const api::MemberPublishRequest& publish) const {
    JsonObject body;
    body.Text("member_ID", std::to_string(publish.id)).Text("name", publish.name);
    body.Texts("clientURLs", publish.client_urls);
    if (publish.incarnation != 0) body.Text("incarnation", std::to_string(publish.incarnation));
    return JsonObject().Json("member_publish", body.Take()).Take();
  }
  absl::StatusOr<std::string> operator()(const api::MemberBootstrapRequest& bootstrap) const {
    std::string members;
    for (const api::Member& member : bootstrap.members) {
      JsonObject one;
      one.Text("ID", std::to_string(member.id)).Text("name", member.name).Texts("peerURLs", member.peer_urls);
      members += (members.empty() ? "" : ",") + one.Take();
    }
    return JsonObject().Json("member_bootstrap", JsonObject().Json("members", "[" + members + "]").Take()).Take();
  }
  absl::StatusOr<std::string> operator()(const api::LeaseExpiryRequest& expiry) const {
    std::string ids;
    for (const api::LeaseId id : expiry.ids) ids += (ids.empty() ? "\"" : ",\"") + std::to_string(id.value) + "\"";
    JsonObject body;
    body.Json("ids", "[" + ids + "]");
    if (leader_term_ != 0) body.Text("leader_term", std::to_string(leader_term_));
    return JsonObject().Json("lease_expiry", body.Take()).Take();
  }

 private:
  template <typename Message, typename Request>
  absl::StatusOr<std::string> Filled(std::string_view name, const Request& request) const {
    Message message;
    Fill(request, &message);
    return Print(name, message);
  }

  absl::StatusOr<std::string> Print(std::string_view name, const google::protobuf::Message& message) const {
    REGENT_ASSIGN_OR_RETURN(const std::string json,
                            printer_.Print(*message.GetDescriptor(), message.SerializeAsString()));
    return JsonObject().Json(name, json).Take();
  }

  const api::MessageJson& printer_;
  const uint64_t leader_term_;
};

std::string Ids(const std::vector<raft::NodeId>& nodes) {
  std::string ids;
  for (const raft::NodeId node : nodes) ids += (ids.empty() ? "\"" : ",\"") + std::to_string(node.value) + "\"";
  return "[" + ids + "]";
}

}  // namespace

absl::StatusOr<std::string> ConfigurationJson(const api::MessageJson& printer, std::string_view data) {
  const std::optional<raft::ConfigurationEntry> entry = raft::DecodeConfigurationEntry(data);
  if (!entry.has_value()) return absl::DataLossError("a malformed configuration");
  JsonObject body;
  body.Json("voters", Ids(entry->configuration.voters));
  if (entry->configuration.joint()) body.Json("outgoing_voters", Ids(entry->configuration.outgoing_voters));
  body.Json("learners", Ids(entry->configuration.learners));
  if (!entry->context.empty()) {
    REGENT_ASSIGN_OR_RETURN(const storage::Command command, storage::DecodeCommand(entry->context));
    REGENT_ASSIGN_OR_RETURN(const std::string cause, RequestJson(printer, command));
    body.Json("request", cause);
  }
  return JsonObject().Json("configuration", body.Take()).Take();
}

absl::StatusOr<std::string> RequestJson(const api::MessageJson& printer, const storage::Command& command) {
  return std::visit(Printer(printer, command.leader_term), command.body);
}

}  // namespace regent::server
