#include "storage/event_row.h"

#include "api/contract/wire.h"
#include "glog/logging.h"
#include "storage/row_reader.h"

namespace regent::storage {

std::string EncodeEventRecord(Position position, const EventRecord& record) {
  std::string value;
  value.reserve(24 + record.key.size());
  value.push_back(static_cast<char>(record.kind));
  api::AppendVarint(value, static_cast<uint64_t>(record.dead_before));
  if (record.kind != EventKind::kCreate) {
    api::AppendVarint(value, static_cast<uint64_t>(position.revision - record.predecessor.revision));
    api::AppendVarint(value, record.predecessor.sub);
    api::AppendVarint(value, static_cast<uint64_t>(record.predecessor_weight));
  }
  value.append(record.key);
  return value;
}

std::optional<EventRecord> ParseEventRecord(Position position, std::string_view value) {
  RowReader reader(value);
  EventRecord record;
  const uint8_t kind = reader.Byte();
  if (kind > static_cast<uint8_t>(EventKind::kDelete)) return std::nullopt;
  record.kind = static_cast<EventKind>(kind);
  record.dead_before = reader.Int64();
  if (record.kind != EventKind::kCreate) {
    record.predecessor.revision = position.revision - reader.Int64();
    record.predecessor.sub = static_cast<uint32_t>(reader.Varint());
    record.predecessor_weight = reader.Int64();
  }
  record.key = reader.rest();
  if (reader.malformed()) return std::nullopt;
  return record;
}

EventRecord DecodeEventRecord(Position position, std::string_view value) {
  const std::optional<EventRecord> record = ParseEventRecord(position, value);
  CHECK(record.has_value()) << "the row of event " << position.revision << "/" << position.sub << " is malformed";
  return *record;
}

}  // namespace regent::storage
