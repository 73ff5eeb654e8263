#include "tests/storage/store_fixture.h"

#include "api/contract/wire.h"
#include "glog/logging.h"
#include "storage/keys.h"
#include "storage/versions.h"

namespace regent::storage {

KeyValue DecodeKeyValue(const std::string& bytes) {
  KeyValue kv;
  api::WireReader reader(bytes);
  while (const std::optional<api::WireField> field = reader.Next()) {
    switch (field->tag) {
      case api::BytesTag(1):
        kv.key = field->bytes;
        break;
      case api::VarintTag(2):
        kv.create_revision = field->int64();
        break;
      case api::VarintTag(3):
        kv.mod_revision = field->int64();
        break;
      case api::VarintTag(4):
        kv.version = field->int64();
        break;
      case api::BytesTag(5):
        kv.value = field->bytes;
        break;
      case api::VarintTag(6):
        kv.lease = field->int64();
        break;
      default:
        LOG(FATAL) << "tag " << field->tag;
    }
  }
  CHECK(!reader.malformed());
  return kv;
}

std::vector<KeyValue> DecodeList(const api::KeyValueList& list) {
  std::string all;
  for (const std::string& chunk : list.chunks()) all += chunk;
  std::vector<KeyValue> kvs;
  api::WireReader reader(all);
  while (const std::optional<api::WireField> field = reader.Next())
    kvs.push_back(DecodeKeyValue(std::string(field->bytes)));
  CHECK(!reader.malformed());
  return kvs;
}

std::vector<std::string> KeysOf(const api::RangeResult& result) {
  std::vector<std::string> keys;
  for (KeyValue& kv : DecodeList(result.kvs)) keys.push_back(std::move(kv.key));
  return keys;
}

void Store::Open() {
  engine_ = std::make_shared<MemoryEngine>(disk_);
  absl::StatusOr<std::unique_ptr<StateMachine>> machine = StateMachine::Open(engine_, options_);
  CHECK(machine.ok()) << machine.status();
  machine_ = *std::move(machine);
}

void Store::Crash() {
  machine_.reset();
  engine_.reset();
  Open();
}

raft::Entry Store::EntryOf(uint64_t index, api::WriteRequest request, uint64_t leader_term) {
  const Command command{
      .request = {.node = 1, .sequence = index}, .leader_term = leader_term, .body = std::move(request)};
  return raft::Entry{.index = {index}, .term = {1}, .type = raft::EntryType::kNormal, .data = EncodeCommand(command)};
}

ApplyOutcome Store::ApplyTurn(const std::vector<raft::Entry>& entries) {
  return machine_->Apply(entries, wants_previous);
}

absl::StatusOr<api::WriteResult> Store::Apply(api::WriteRequest request, uint64_t leader_term) {
  outcome_ = ApplyTurn({EntryOf(machine_->applied().value + 1, std::move(request), leader_term)});
  CHECK_EQ(outcome_.answers.size(), 1u);
  return outcome_.answers[0].result;
}

int64_t Store::Put(const std::string& key, const std::string& value, int64_t lease) {
  const auto result = Apply(api::PutRequest{.key = key, .value = value, .lease = {lease}});
  CHECK(result.ok()) << result.status();
  return std::get<api::PutResult>(*result).revision.value;
}

int64_t Store::Delete(const std::string& key, const std::string& range_end) {
  const auto result = Apply(api::DeleteRangeRequest{.key = key, .range_end = range_end});
  CHECK(result.ok()) << result.status();
  return std::get<api::DeleteRangeResult>(*result).revision.value;
}

absl::StatusOr<api::TxnResult> Store::Txn(api::TxnRequest request) {
  auto result = Apply(std::move(request));
  if (!result.ok()) return result.status();
  return std::get<api::TxnResult>(*std::move(result));
}

absl::Status Store::Compact(int64_t revision) { return Apply(api::CompactionRequest{.revision = {revision}}).status(); }

absl::Status Store::Grant(int64_t id, int64_t ttl) {
  return Apply(api::LeaseGrantRequest{.id = {id}, .ttl = ttl}).status();
}

void Store::PurgeAll(size_t events_max) {
  while (const std::optional<PurgePlan> plan = machine_->PlanPurge(*view(), events_max)) machine_->RunPurge(*plan);
}

api::RangeResult Store::Range(api::RangeRequest request) const {
  absl::StatusOr<api::RangeResult> result = view()->Range(request);
  CHECK(result.ok()) << result.status();
  return *std::move(result);
}

absl::Status Store::RangeError(api::RangeRequest request) const { return view()->Range(request).status(); }

std::optional<KeyValue> Store::Get(const std::string& key, int64_t revision) const {
  const std::vector<KeyValue> kvs = DecodeList(Range({.key = key, .revision = {revision}}).kvs);
  if (kvs.empty()) return std::nullopt;
  return kvs[0];
}

int64_t Store::Count(const std::string& key, const std::string& range_end, int64_t revision) const {
  return Range({.key = key, .range_end = range_end, .revision = {revision}, .count_only = true}).count;
}

std::map<std::string, std::string> Store::Rows() const {
  std::map<std::string, std::string> rows;
  const std::unique_ptr<RowIterator> row = engine_->Iterate("\xff", Scope::kRange);
  for (row->Seek(""); row->Valid(); row->Next()) rows.emplace(row->row(), row->value());
  return rows;
}

int64_t WeightOfRows(const std::map<std::string, std::string>& rows) {
  int64_t weight = 0;
  for (const auto& [row, value] : rows) {
    if (row[0] != kVersionRows) continue;
    weight += VersionWeight(KeyOfPrefix(PrefixOfVersionRow(row)).size(), value.size());
  }
  return weight;
}

}  // namespace regent::storage
