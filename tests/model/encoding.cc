#include "tests/model/encoding.h"

#include <cstdio>

namespace regent::model {
namespace {

bool TakeVarint(std::string_view* bytes, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 70 && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes->front());
    bytes->remove_prefix(1);
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool TakeBytes(std::string_view* bytes, std::string_view* out) {
  uint64_t size = 0;
  if (!TakeVarint(bytes, &size) || size > bytes->size()) return false;
  *out = bytes->substr(0, size);
  bytes->remove_prefix(size);
  return true;
}

size_t VarintFieldSize(int64_t value) {
  if (value == 0) return 0;
  size_t bytes = 2;
  for (auto rest = static_cast<uint64_t>(value); rest >= 0x80; rest >>= 7) ++bytes;
  return bytes;
}

bool SetNumber(KeyValue* kv, uint64_t field, int64_t number) {
  switch (field) {
    case 2:
      kv->create = number;
      return number != 0;
    case 3:
      kv->mod = number;
      return number != 0;
    case 4:
      kv->version = number;
      return number != 0;
    case 6:
      kv->lease = number;
      return number != 0;
    default:
      return false;
  }
}

bool DecodeFields(std::string_view bytes, KeyValue* kv) {
  for (uint64_t last = 0; !bytes.empty();) {
    uint64_t tag = 0;
    if (!TakeVarint(&bytes, &tag) || tag >> 3 <= last) return false;
    last = tag >> 3;
    if ((tag & 7) == 0) {
      uint64_t number = 0;
      if (!TakeVarint(&bytes, &number) || !SetNumber(kv, last, static_cast<int64_t>(number))) return false;
      continue;
    }
    std::string_view content;
    if ((tag & 7) != 2 || !TakeBytes(&bytes, &content) || content.empty()) return false;
    if (last == 1) {
      kv->key = std::string(content);
    } else if (last == 5) {
      kv->value = std::make_shared<const std::string>(content);
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

bool operator==(const KeyValue& a, const KeyValue& b) {
  return a.key == b.key && a.create == b.create && a.mod == b.mod && a.version == b.version && a.lease == b.lease &&
         a.value_view() == b.value_view();
}

size_t RestSize(const KeyValue& kv) {
  size_t size =
      VarintFieldSize(kv.create) + VarintFieldSize(kv.mod) + VarintFieldSize(kv.version) + VarintFieldSize(kv.lease);
  const size_t value = kv.value_view().size();
  if (value > 0) size += VarintFieldSize(static_cast<int64_t>(value)) + value;
  return size;
}

std::optional<KeyValue> DecodeKeyValue(std::string_view bytes) {
  KeyValue kv;
  if (!DecodeFields(bytes, &kv)) return std::nullopt;
  return kv;
}

std::optional<KeyValue> DecodeRest(std::string_view key, std::string_view rest) {
  KeyValue kv;
  if (!DecodeFields(rest, &kv) || !kv.key.empty()) return std::nullopt;
  kv.key = std::string(key);
  return kv;
}

std::optional<std::vector<KeyValue>> DecodeList(const api::KeyValueList& list) {
  std::string joined;
  for (const std::string& chunk : list.chunks()) joined += chunk;
  std::vector<KeyValue> result;
  const auto expected_tag = static_cast<uint64_t>(list.field_number()) << 3 | 2;
  for (std::string_view bytes = joined; !bytes.empty();) {
    uint64_t tag = 0;
    std::string_view element;
    if (!TakeVarint(&bytes, &tag) || tag != expected_tag || !TakeBytes(&bytes, &element)) return std::nullopt;
    std::optional<KeyValue> kv = DecodeKeyValue(element);
    if (!kv) return std::nullopt;
    result.push_back(*std::move(kv));
  }
  if (list.count() != static_cast<int64_t>(result.size()) || list.size_bytes() != joined.size()) return std::nullopt;
  return result;
}

std::string Printable(std::string_view bytes) {
  constexpr size_t kShown = 40;
  std::string out = "\"";
  for (const char character : bytes.substr(0, kShown)) {
    if (character >= ' ' && character <= '~') {
      out += character;
    } else {
      char text[5];
      std::snprintf(text, sizeof text, "\\x%02x", static_cast<unsigned char>(character));
      out += text;
    }
  }
  out += '"';
  if (bytes.size() > kShown) out += "(" + std::to_string(bytes.size()) + " bytes)";
  return out;
}

std::string Describe(const KeyValue& kv) {
  return "{" + Printable(kv.key) + " create " + std::to_string(kv.create) + " mod " + std::to_string(kv.mod) +
         " version " + std::to_string(kv.version) + " value " + Printable(kv.value_view()) + " lease " +
         std::to_string(kv.lease) + "}";
}

}  // namespace regent::model
