#include "server/cli/row_json.h"

#include "api/contract/proto/kv.pb.h"
#include "api/contract/status_macros.h"
#include "api/contract/wire.h"
#include "server/cli/json_object.h"

namespace regent::server {
namespace {

std::string_view TypeName(storage::EventKind kind) {
  switch (kind) {
    case storage::EventKind::kCreate:
      return "create";
    case storage::EventKind::kUpdate:
      return "update";
    case storage::EventKind::kDelete:
      return "delete";
  }
  return "";
}

std::string Place(storage::Position position) {
  return JsonObject().Number("revision", position.revision).Number("sub", position.sub).Take();
}

class Printer {
 public:
  explicit Printer(const api::MessageJson& printer) : printer_(printer) {}

  absl::StatusOr<std::string> operator()(const storage::StoredVersion& version) const {
    JsonObject row = Begin("version");
    row.Number("revision", version.position.revision).Number("sub", version.position.sub);
    if (version.rest.empty()) return row.Base64("key", version.key).Flag("tombstone", true).Take();
    REGENT_ASSIGN_OR_RETURN(const std::string kv, printer_.Print(*mvccpb::KeyValue::descriptor(),
                                                                 api::EncodeKeyValue(version.key, version.rest)));
    return row.Json("kv", kv).Take();
  }
  absl::StatusOr<std::string> operator()(const storage::StoredEvent& event) const {
    const storage::EventRecord& record = event.record;
    JsonObject row = Begin("event");
    row.Number("revision", event.position.revision).Number("sub", event.position.sub);
    row.Text("type", TypeName(record.kind)).Base64("key", record.key).Number("dead_before", record.dead_before);
    if (record.kind == storage::EventKind::kCreate) return row.Take();
    row.Json("predecessor", JsonObject()
                                .Number("revision", record.predecessor.revision)
                                .Number("sub", record.predecessor.sub)
                                .Number("weight", record.predecessor_weight)
                                .Take());
    return row.Take();
  }
  absl::StatusOr<std::string> operator()(const storage::StoredCount& count) const {
    return Begin("count")
        .Base64("from", count.separator)
        .Number("live", count.bucket.live)
        .Number("dead", count.bucket.dead)
        .Take();
  }
  absl::StatusOr<std::string> operator()(const storage::Counters& counters) const {
    return Begin("counters")
        .Number("applied_index", counters.applied_index)
        .Number("applied_term", counters.applied_term)
        .Number("revision", counters.revision)
        .Number("compacted", counters.compacted)
        .Number("size", counters.size)
        .Number("dead", counters.dead)
        .Number("dead_released", counters.dead_released)
        .Text("digest", Hexadecimal16(counters.digest))
        .Take();
  }
  absl::StatusOr<std::string> operator()(const storage::PurgeProgress& progress) const {
    return Begin("purge").Json("versions", Place(progress.versions)).Json("events", Place(progress.events)).Take();
  }
  absl::StatusOr<std::string> operator()(const raft::Entry& configuration) const {
    return Begin("configuration")
        .Number("index", configuration.index.value)
        .Number("term", configuration.term.value)
        .Base64("data", configuration.data.view())
        .Take();
  }
  absl::StatusOr<std::string> operator()(const storage::StoredLease& lease) const {
    return Begin("lease").Text("id", std::to_string(lease.id.value)).Number("ttl", lease.ttl).Take();
  }
  absl::StatusOr<std::string> operator()(const storage::StoredLeaseKey& link) const {
    return Begin("lease_key").Text("id", std::to_string(link.id.value)).Base64("key", link.key).Take();
  }
  absl::StatusOr<std::string> operator()(const api::AlarmMember& alarm) const {
    return Begin("alarm")
        .Text("member_id", std::to_string(alarm.member_id))
        .Text("alarm", AlarmName(alarm.alarm))
        .Take();
  }
  absl::StatusOr<std::string> operator()(const storage::StoredMember& row) const {
    JsonObject json = Begin(row.removed ? "removed_member" : "member");
    json.Text("id", std::to_string(row.member.id));
    if (row.removed) return json.Take();
    return json.Text("name", row.member.name)
        .Texts("peer_urls", row.member.peer_urls)
        .Texts("client_urls", row.member.client_urls)
        .Take();
  }

 private:
  static JsonObject Begin(std::string_view kind) { return JsonObject().Text("row", kind); }

  const api::MessageJson& printer_;
};

}  // namespace

absl::StatusOr<std::string> RowJson(const api::MessageJson& printer, const storage::StoredRow& row) {
  return std::visit(Printer(printer), row);
}

std::string Hexadecimal16(uint64_t number) {
  std::string text(16, '0');
  for (size_t place = text.size(); place-- > 0; number >>= 4) text[place] = "0123456789abcdef"[number & 15];
  return text;
}

std::string AlarmName(api::AlarmType alarm) {
  switch (alarm) {
    case api::AlarmType::kNone:
      return "NONE";
    case api::AlarmType::kNoSpace:
      return "NOSPACE";
    case api::AlarmType::kCorrupt:
      return "CORRUPT";
  }
  return std::to_string(static_cast<int>(alarm));
}

}  // namespace regent::server
