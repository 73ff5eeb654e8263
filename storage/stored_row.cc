#include "storage/stored_row.h"

#include "api/contract/wire.h"
#include "storage/configuration_row.h"
#include "storage/leases.h"
#include "storage/members.h"

namespace regent::storage {
namespace {

absl::Status Malformed(std::string_view what) {
  return absl::DataLossError("the row of " + std::string(what) + " is malformed");
}

template <typename Row>
absl::StatusOr<StoredRow> OrMalformed(const std::optional<Row>& row, std::string_view what) {
  if (!row.has_value()) return Malformed(what);
  return *row;
}

// escaped(key) 00 01: no byte 00 stands without its FF, but in the end.
bool IsKeyPrefix(std::string_view prefix) {
  if (prefix.size() < 3 || !prefix.ends_with(std::string_view("\x00\x01", 2))) return false;
  const std::string_view escaped = prefix.substr(1, prefix.size() - 3);
  for (size_t zero = escaped.find('\0'); zero != std::string_view::npos; zero = escaped.find('\0', zero + 2)) {
    if (zero + 1 >= escaped.size() || escaped[zero + 1] != '\xff') return false;
  }
  return true;
}

absl::StatusOr<StoredRow> ParseVersion(std::string_view row, std::string_view value) {
  if (row.size() < kPositionBytes + 3) return Malformed("a version");
  const std::string_view prefix = row.substr(0, row.size() - kPositionBytes);
  if (!IsKeyPrefix(prefix)) return Malformed("a version");
  if (!value.empty() && !api::DecodeKeyValueRest(value).ok()) return Malformed("a version");
  return StoredVersion{.key = KeyOfPrefix(prefix), .position = PositionOfVersionRow(row), .rest = value};
}

absl::StatusOr<StoredRow> ParseEvent(std::string_view row, std::string_view value) {
  if (row.size() != 1 + kPositionBytes) return Malformed("an event");
  const Position position = PositionOfEventRow(row);
  const std::optional<EventRecord> record = ParseEventRecord(position, value);
  if (!record) return Malformed("an event");
  return StoredEvent{.position = position, .record = *record};
}

absl::StatusOr<StoredRow> ParseMember(std::string_view row, std::string_view value) {
  const std::string_view rest = row.substr(kMemberRows.size());
  if (rest.size() != 8) return Malformed("a member");
  const uint64_t id = ReadBigEndian64(rest);
  if (row.starts_with(kRemovedMemberRows)) return StoredMember{.member = {.id = id}, .removed = true};
  std::optional<api::Member> member = ParseMemberRow(id, value);
  if (!member.has_value()) return Malformed("a member");
  return StoredMember{.member = *std::move(member)};
}

absl::StatusOr<StoredRow> ParseMeta(std::string_view row, std::string_view value) {
  if (row == kCountersRow) return OrMalformed(ParseCounters(value), "the counters");
  if (row == kPurgeRow) return OrMalformed(ParsePurgeProgress(value), "the purge");
  if (row == kConfigurationRow) return OrMalformed(ParseConfigurationRow(value), "the configuration");
  const std::string_view rest = row.substr(kLeaseRows.size());
  if (row.starts_with(kAlarmRows)) {
    if (rest.size() != 9) return Malformed("an alarm");
    return api::AlarmMember{.member_id = ReadBigEndian64(rest), .alarm = static_cast<api::AlarmType>(rest[8])};
  }
  if (row.starts_with(kMemberRows) || row.starts_with(kRemovedMemberRows)) return ParseMember(row, value);
  if (rest.size() < 8) return Malformed("a lease");
  const api::LeaseId id{static_cast<int64_t>(ReadBigEndian64(rest))};
  if (row.starts_with(kLeaseKeyRows)) return StoredLeaseKey{.id = id, .key = rest.substr(8)};
  const std::optional<int64_t> ttl = ParseLeaseTtl(value);
  if (rest.size() != 8 || !ttl) return Malformed("a lease");
  return StoredLease{.id = id, .ttl = *ttl};
}

}  // namespace

absl::StatusOr<StoredRow> ParseStoredRow(std::string_view row, std::string_view value) {
  if (row.starts_with(kVersionRows)) return ParseVersion(row, value);
  if (row.starts_with(kEventRows)) return ParseEvent(row, value);
  if (row.starts_with(kCountRows)) {
    const std::optional<CountTree::Bucket> bucket = ParseBucket(value);
    if (!bucket) return Malformed("a count");
    return StoredCount{.separator = row.substr(1), .bucket = *bucket};
  }
  for (const std::string_view meta : {kCountersRow, kPurgeRow, kConfigurationRow, kLeaseRows, kLeaseKeyRows, kAlarmRows,
                                      kMemberRows, kRemovedMemberRows}) {
    if (row.starts_with(meta)) return ParseMeta(row, value);
  }
  return absl::DataLossError("a row of no known kind");
}

}  // namespace regent::storage
