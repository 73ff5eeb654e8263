// KeyValues as the model knows them, and a decoder of what the store answers. Written without the store's own encoder,
// so that a mistake there shows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/contract/results.h"

namespace regent::model {

// One version of a key. The value is shared: a version is copied into answers and events.
struct KeyValue {
  std::string key;
  int64_t create = 0;
  int64_t mod = 0;
  int64_t version = 0;
  std::shared_ptr<const std::string> value;
  int64_t lease = 0;

  std::string_view value_view() const { return value ? std::string_view(*value) : std::string_view(); }
};

bool operator==(const KeyValue& a, const KeyValue& b);

// How many bytes fields 2 to 6 take in the protobuf encoding.
size_t RestSize(const KeyValue& kv);

// An encoded KeyValue; nullopt for bytes that are no canonical KeyValue (unknown, empty or unordered fields).
std::optional<KeyValue> DecodeKeyValue(std::string_view bytes);
// Fields 2 to 6 alone.
std::optional<KeyValue> DecodeRest(std::string_view key, std::string_view rest);
// The elements of a repeated field as a list carries them.
std::optional<std::vector<KeyValue>> DecodeList(const api::KeyValueList& list);

// For failure messages: unprintable bytes as \xNN, long strings cut.
std::string Printable(std::string_view bytes);
std::string Describe(const KeyValue& kv);

}  // namespace regent::model
