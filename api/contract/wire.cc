#include "api/contract/wire.h"

namespace regent::api {
namespace {

constexpr uint64_t kFieldNumberMax = (1u << 29) - 1;
constexpr int kEventsField = 11;

}  // namespace

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

std::optional<WireField> WireReader::Next() {
  if (malformed_ || rest_.empty()) return std::nullopt;
  uint64_t tag = 0;
  if (!ReadVarint(&tag)) return Malformed();
  const uint64_t number = tag >> 3;
  if (number == 0 || number > kFieldNumberMax) return Malformed();

  WireField field;
  field.number = static_cast<int>(number);
  field.type = static_cast<WireType>(tag & 7);
  switch (field.type) {
    case WireType::kVarint:
      if (!ReadVarint(&field.varint)) return Malformed();
      return field;
    case WireType::kFixed64:
      if (!ReadFixed(8, &field.varint)) return Malformed();
      return field;
    case WireType::kFixed32:
      if (!ReadFixed(4, &field.varint)) return Malformed();
      return field;
    case WireType::kBytes: {
      uint64_t size = 0;
      if (!ReadVarint(&size) || size > rest_.size()) return Malformed();
      field.bytes = rest_.substr(0, size);
      rest_.remove_prefix(size);
      return field;
    }
  }
  return Malformed();
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
  int previous = 1;
  while (std::optional<WireField> field = reader.Next()) {
    const WireType wanted = field->number == 5 ? WireType::kBytes : WireType::kVarint;
    if (field->number <= previous || field->number > 6 || field->type != wanted) {
      return absl::DataLossError("a stored key-value has an unexpected field " + std::to_string(field->number));
    }
    previous = field->number;
    switch (field->number) {
      case 2: result.create_revision = {field->int64()}; break;
      case 3: result.mod_revision = {field->int64()}; break;
      case 4: result.version = field->int64(); break;
      case 5: result.value = field->bytes; break;
      case 6: result.lease = {field->int64()}; break;
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
