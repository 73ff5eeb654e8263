#include "api/contract/wire.h"

namespace regent::api {
namespace {

constexpr uint64_t kFieldNumberMax = (1u << 29) - 1;
constexpr int kGroupDepthMax = 64;
constexpr int kEventsField = 11;

constexpr WireType TypeOf(uint32_t tag) { return static_cast<WireType>(tag & 7); }

}  // namespace

std::optional<WireField> WireReader::Next() {
  while (!malformed_ && !rest_.empty()) {
    WireField field;
    if (!ReadTag(&field.tag)) {
      malformed_ = true;
    } else if (TypeOf(field.tag) == WireType::kGroup) {
      malformed_ = !SkipGroup(field.tag >> 3, 0);
    } else if (ReadPayload(&field)) {
      return field;
    } else {
      malformed_ = true;
    }
  }
  return std::nullopt;
}

bool WireReader::ReadPayload(WireField* field) {
  switch (TypeOf(field->tag)) {
    case WireType::kVarint:
      return ReadVarint(&field->varint);
    case WireType::kFixed64:
      return ReadFixed(8, &field->varint);
    case WireType::kFixed32:
      return ReadFixed(4, &field->varint);
    case WireType::kBytes: {
      uint64_t size = 0;
      if (!ReadVarint(&size) || size > rest_.size()) return false;
      field->bytes = rest_.substr(0, size);
      rest_.remove_prefix(size);
      return true;
    }
    case WireType::kGroup:
    case WireType::kGroupEnd:
      break;
  }
  return false;
}

bool WireReader::SkipGroup(uint32_t field_number, int depth) {
  while (!rest_.empty()) {
    WireField field;
    if (!ReadTag(&field.tag)) return false;
    if (TypeOf(field.tag) == WireType::kGroupEnd) return field.tag >> 3 == field_number;
    const bool skipped = TypeOf(field.tag) == WireType::kGroup
                             ? depth < kGroupDepthMax && SkipGroup(field.tag >> 3, depth + 1)
                             : ReadPayload(&field);
    if (!skipped) return false;
  }
  return false;
}

bool WireReader::ReadTag(uint32_t* tag) {
  uint64_t value = 0;
  if (!ReadVarint(&value) || value >> 3 == 0 || value >> 3 > kFieldNumberMax) return false;
  *tag = static_cast<uint32_t>(value);
  return true;
}

bool WireReader::ReadVarint(uint64_t* value) {
  uint64_t result = 0;
  for (size_t i = 0; i < rest_.size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>(rest_[i]);
    result |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      if (i == 9 && byte > 1) return false;  // more than 64 bits
      rest_.remove_prefix(i + 1);
      *value = result;
      return true;
    }
  }
  return false;
}

bool WireReader::ReadFixed(size_t size, uint64_t* value) {
  if (rest_.size() < size) return false;
  *value = 0;
  for (size_t i = size; i-- > 0;) *value = *value << 8 | static_cast<unsigned char>(rest_[i]);
  rest_.remove_prefix(size);
  return true;
}

std::string EncodeKeyValueRest(Revision create_revision, Revision mod_revision, int64_t version, std::string_view value,
                               LeaseId lease) {
  std::string out;
  out.reserve(4 * 11 + (value.empty() ? 0 : BytesFieldSize(5, value.size())));
  AppendInt64(out, 2, create_revision.value);
  AppendInt64(out, 3, mod_revision.value);
  AppendInt64(out, 4, version);
  AppendBytes(out, 5, value);
  AppendInt64(out, 6, lease.value);
  return out;
}

absl::StatusOr<KeyValueRest> DecodeKeyValueRest(std::string_view rest) {
  KeyValueRest result;
  WireReader reader(rest);
  uint32_t previous = 0;
  while (std::optional<WireField> field = reader.Next()) {
    if (field->tag <= previous) return absl::DataLossError("a stored key-value has its fields out of order");
    previous = field->tag;
    switch (field->tag) {
      case VarintTag(2):
        result.create_revision = {field->int64()};
        break;
      case VarintTag(3):
        result.mod_revision = {field->int64()};
        break;
      case VarintTag(4):
        result.version = field->int64();
        break;
      case BytesTag(5):
        result.value = field->bytes;
        break;
      case VarintTag(6):
        result.lease = {field->int64()};
        break;
      default:
        return absl::DataLossError("a stored key-value has a field of tag " + std::to_string(field->tag));
    }
  }
  if (reader.malformed()) return absl::DataLossError("a stored key-value is malformed");
  return result;
}

std::string EncodeKeyValue(std::string_view key, std::string_view rest) {
  std::string out;
  out.reserve(KeyValueSize(key, rest));
  AppendKeyValue(out, key, rest);
  return out;
}

std::string EncodeWatchEvent(EventType type, std::string_view key, std::string_view rest,
                             std::optional<std::string_view> previous) {
  const size_t kv_size = KeyValueSize(key, rest);
  const size_t previous_size = previous ? KeyValueSize(key, *previous) : 0;
  const size_t event_size = Uint64FieldSize(1, static_cast<uint64_t>(type)) + BytesFieldSize(2, kv_size) +
                            (previous ? BytesFieldSize(3, previous_size) : 0);
  std::string out;
  out.reserve(BytesFieldSize(kEventsField, event_size));
  AppendBytesHeader(out, kEventsField, event_size);
  AppendUint64(out, 1, static_cast<uint64_t>(type));
  AppendBytesHeader(out, 2, kv_size);
  AppendKeyValue(out, key, rest);
  if (previous) {
    AppendBytesHeader(out, 3, previous_size);
    AppendKeyValue(out, key, *previous);
  }
  return out;
}

}  // namespace regent::api
