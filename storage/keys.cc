#include "storage/keys.h"

#include "api/contract/key_range.h"
#include "glog/logging.h"

namespace regent::storage {
namespace {

void AppendBigEndian32(std::string& out, uint32_t value) {
  const char bytes[] = {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
                        static_cast<char>(value)};
  out.append(bytes, sizeof(bytes));
}

uint32_t ReadBigEndian32(std::string_view bytes) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

void AppendBigEndian64(std::string& out, uint64_t value) {
  AppendBigEndian32(out, static_cast<uint32_t>(value >> 32));
  AppendBigEndian32(out, static_cast<uint32_t>(value));
}

uint64_t ReadBigEndian64(std::string_view bytes) {
  CHECK_GE(bytes.size(), 8u);
  return uint64_t{ReadBigEndian32(bytes)} << 32 | ReadBigEndian32(bytes.substr(4));
}

std::string KeyPrefix(std::string_view key) {
  std::string row;
  row.reserve(key.size() + 8 + kPositionBytes);
  row.push_back(kVersionRows);
  for (size_t start = 0;;) {
    const size_t zero = key.find('\0', start);
    if (zero == std::string_view::npos) {
      row.append(key.substr(start));
      break;
    }
    row.append(key.substr(start, zero - start + 1));
    row.push_back('\xff');
    start = zero + 1;
  }
  row.append("\x00\x01", 2);
  return row;
}

std::string AfterKeyPrefix(std::string_view prefix) {
  std::string row(prefix);
  row.back() = '\x02';
  return row;
}

void AppendPosition(std::string& prefix, Position position) {
  AppendBigEndian64(prefix, ~static_cast<uint64_t>(position.revision));
  AppendBigEndian32(prefix, ~position.sub);
}

std::string VersionRow(std::string_view key, Position position) {
  std::string row = KeyPrefix(key);
  AppendPosition(row, position);
  return row;
}

std::string VersionRowsEnd(std::string_view range_end) {
  if (api::IsFromKey(range_end)) return std::string(1, kVersionRows + 1);
  return KeyPrefix(range_end);
}

std::string_view PrefixOfVersionRow(std::string_view row) {
  CHECK_GE(row.size(), kPositionBytes + 3) << "not a version row";
  CHECK_EQ(row[0], kVersionRows);
  return row.substr(0, row.size() - kPositionBytes);
}

Position PositionOfVersionRow(std::string_view row) {
  const std::string_view bytes = row.substr(row.size() - kPositionBytes);
  return Position{static_cast<int64_t>(~ReadBigEndian64(bytes)), ~ReadBigEndian32(bytes.substr(8))};
}

std::string KeyOfPrefix(std::string_view prefix) {
  const std::string_view escaped = prefix.substr(1, prefix.size() - 3);
  std::string key;
  key.reserve(escaped.size());
  for (size_t start = 0;;) {
    const size_t zero = escaped.find('\0', start);
    if (zero == std::string_view::npos) {
      key.append(escaped.substr(start));
      return key;
    }
    key.append(escaped.substr(start, zero - start + 1));
    start = zero + 2;
  }
}

std::string EventRow(Position position) {
  std::string row(1, kEventRows);
  AppendBigEndian64(row, static_cast<uint64_t>(position.revision));
  AppendBigEndian32(row, position.sub);
  return row;
}

Position PositionOfEventRow(std::string_view row) {
  CHECK_EQ(row.size(), 1 + kPositionBytes) << "not an event row";
  return Position{static_cast<int64_t>(ReadBigEndian64(row.substr(1))), ReadBigEndian32(row.substr(9))};
}

std::string CountRow(std::string_view separator) { return std::string(1, kCountRows).append(separator); }

std::string LeaseRow(api::LeaseId id) {
  std::string row(kLeaseRows);
  AppendBigEndian64(row, static_cast<uint64_t>(id.value));
  return row;
}

std::string LeaseKeyRow(api::LeaseId id, std::string_view key) {
  std::string row(kLeaseKeyRows);
  AppendBigEndian64(row, static_cast<uint64_t>(id.value));
  row.append(key);
  return row;
}

std::string AlarmRow(uint64_t member, uint8_t alarm) {
  std::string row(kAlarmRows);
  AppendBigEndian64(row, member);
  row.push_back(static_cast<char>(alarm));
  return row;
}

}  // namespace regent::storage
