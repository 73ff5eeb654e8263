#include "api/contract/results.h"

#include <algorithm>

#include "api/contract/wire.h"

namespace regent::api {

size_t KeyValueList::EncodedSize(std::string_view key, std::string_view rest) const {
  return BytesFieldSize(field_number_, KeyValueSize(key, rest));
}

void KeyValueList::Add(std::string_view key, std::string_view rest) {
  const size_t kv_size = KeyValueSize(key, rest);
  const size_t field_size = BytesFieldSize(field_number_, kv_size);
  if (chunks_.empty()) {
    chunks_.emplace_back().reserve(field_size);  // most answers are one key-value: no byte more than that
  } else if (chunks_.back().size() + field_size > kChunkBytes) {
    chunks_.emplace_back().reserve(std::max(field_size, kChunkBytes));
  }
  std::string& chunk = chunks_.back();
  AppendBytesHeader(chunk, field_number_, kv_size);
  AppendKeyValue(chunk, key, rest);
  ++count_;
  size_bytes_ += field_size;
}

}  // namespace regent::api
