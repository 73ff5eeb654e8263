// The protobuf wire format by hand, for the few messages of the hot path, and the encoding of mvccpb.KeyValue and
// mvccpb.Event that the store and the watchers share.
//
//   message = { tag value };  tag = varint(field << 3 | type);  type 0: varint, 1: 8 bytes, 2: varint length + bytes,
//   5: 4 bytes.  A field with its default value (0, false, "") is left out, fields are written in ascending order:
//   the bytes are those of the protobuf library, and of etcd.
//
// Example: KeyValue{key "a", create_revision 2, mod_revision 3, version 2, value "x"} is
//   0a 01 61  10 02 18 03 20 02 2a 01 78      the key (field 1), then what is called its `rest` (fields 2 to 6).
//
// The store keeps `rest` as the value of a version: the answer to a client is the key put in front of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "api/contract/types.h"

namespace regent::api {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kGroup = 3, kGroupEnd = 4, kFixed32 = 5 };

// ---- writing -----------------------------------------------------------------------------------------------------

constexpr size_t VarintSize(uint64_t value) {
  size_t bytes = 1;
  for (; value >= 0x80; value >>= 7) ++bytes;
  return bytes;
}

inline void AppendVarint(std::string& out, uint64_t value) {
  char buffer[10];
  size_t size = 0;
  for (; value >= 0x80; value >>= 7) buffer[size++] = static_cast<char>(value | 0x80);
  buffer[size++] = static_cast<char>(value);
  out.append(buffer, size);
}

inline void AppendTag(std::string& out, int field, WireType type) {
  AppendVarint(out, static_cast<uint64_t>(field) << 3 | static_cast<uint64_t>(type));
}

constexpr size_t TagSize(int field) { return VarintSize(static_cast<uint64_t>(field) << 3); }

// The size of a length-delimited field with a payload of `size` bytes, tag and length included.
constexpr size_t BytesFieldSize(int field, size_t size) { return TagSize(field) + VarintSize(size) + size; }

// Left out when the value is 0. Negative numbers take ten bytes, as in protobuf.
inline void AppendUint64(std::string& out, int field, uint64_t value) {
  if (value == 0) return;
  AppendTag(out, field, WireType::kVarint);
  AppendVarint(out, value);
}
inline void AppendInt64(std::string& out, int field, int64_t value) {
  AppendUint64(out, field, static_cast<uint64_t>(value));
}
inline void AppendBool(std::string& out, int field, bool value) { AppendUint64(out, field, value ? 1 : 0); }
constexpr size_t Uint64FieldSize(int field, uint64_t value) {
  return value == 0 ? 0 : TagSize(field) + VarintSize(value);
}

// Tag and length; `size` bytes of payload must follow.
inline void AppendBytesHeader(std::string& out, int field, size_t size) {
  AppendTag(out, field, WireType::kBytes);
  AppendVarint(out, size);
}

// A sub-message or an element of a repeated field: written also when empty.
inline void AppendMessage(std::string& out, int field, std::string_view encoded) {
  AppendBytesHeader(out, field, encoded.size());
  out.append(encoded);
}

// A string or bytes field: left out when empty.
inline void AppendBytes(std::string& out, int field, std::string_view value) {
  if (!value.empty()) AppendMessage(out, field, value);
}

// ---- reading -----------------------------------------------------------------------------------------------------

// The tag of a field number with the type that its declaration wants. A field of another type is an unknown field, and
// unknown fields are ignored; so a decoder is a switch over these.
constexpr uint32_t VarintTag(int field) { return static_cast<uint32_t>(field) << 3; }
constexpr uint32_t BytesTag(int field) { return static_cast<uint32_t>(field) << 3 | 2; }

// One field as read; `bytes` points into the input.
struct WireField {
  uint32_t tag = 0;
  uint64_t varint = 0;     // types 0, 1, 5
  std::string_view bytes;  // type 2

  int64_t int64() const { return static_cast<int64_t>(varint); }
  bool boolean() const { return varint != 0; }
};

// Goes through the fields of one message and allocates nothing. Groups (types 3 and 4, which nobody sends any more) are
// skipped. Field number 0, varints of more than 64 bits and lengths beyond the input are malformed.
//
//   WireReader reader(bytes);
//   while (std::optional<WireField> field = reader.Next()) {
//     switch (field->tag) { case BytesTag(1): ... }
//   }
//   if (reader.malformed()) ...
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  std::optional<WireField> Next();
  bool malformed() const { return malformed_; }

 private:
  bool ReadVarint(uint64_t* value);
  bool ReadFixed(size_t size, uint64_t* value);
  bool ReadTag(uint32_t* tag);
  bool ReadPayload(WireField* field);
  bool SkipGroup(uint32_t field_number, int depth);

  std::string_view rest_;
  bool malformed_ = false;
};

// ---- mvccpb.KeyValue and mvccpb.Event ----------------------------------------------------------------------------

// Fields 2 to 6 of a KeyValue, decoded. `value` points into what was decoded.
struct KeyValueRest {
  Revision create_revision;
  Revision mod_revision;
  int64_t version = 0;
  std::string_view value;
  LeaseId lease;
};

std::string EncodeKeyValueRest(Revision create_revision, Revision mod_revision, int64_t version, std::string_view value,
                               LeaseId lease);

// DataLoss when the bytes are not what EncodeKeyValueRest wrote: they come from our own disk.
absl::StatusOr<KeyValueRest> DecodeKeyValueRest(std::string_view rest);

inline size_t KeyValueSize(std::string_view key, std::string_view rest) {
  return (key.empty() ? 0 : BytesFieldSize(1, key.size())) + rest.size();
}

// The KeyValue: the key in front of its rest. Appended without tag and length.
inline void AppendKeyValue(std::string& out, std::string_view key, std::string_view rest) {
  AppendBytes(out, 1, key);
  out.append(rest);
}
std::string EncodeKeyValue(std::string_view key, std::string_view rest);

// An element of WatchResponse.events, with its tag (11) and length. `previous` is the rest of the previous version.
enum class EventType : uint8_t { kPut = 0, kDelete = 1 };
std::string EncodeWatchEvent(EventType type, std::string_view key, std::string_view rest,
                             std::optional<std::string_view> previous);

}  // namespace regent::api
