#include "tests/bench/requests.h"

#include <optional>

namespace regent::bench {

using api::AppendBool;
using api::AppendBytes;
using api::AppendInt64;
using api::AppendMessage;

std::string EncodeRange(const RangeFields& range) {
  std::string out;
  AppendBytes(out, 1, range.key);
  AppendBytes(out, 2, range.range_end);
  AppendInt64(out, 3, range.limit);
  AppendInt64(out, 4, range.revision);
  AppendBool(out, 7, range.serializable);
  AppendBool(out, 9, range.count_only);
  return out;
}

std::string EncodePut(std::string_view key, std::string_view value, int64_t lease) {
  std::string out;
  AppendBytes(out, 1, key);
  AppendBytes(out, 2, value);
  AppendInt64(out, 3, lease);
  return out;
}

std::string EncodeCompaction(int64_t revision, Physical physical) {
  std::string out;
  AppendInt64(out, 1, revision);
  AppendBool(out, 2, physical == Physical::kYes);
  return out;
}

std::string EncodeWatchCreate(const WatchFields& watch) {
  std::string create, out;
  AppendBytes(create, 1, watch.key);
  AppendBytes(create, 2, watch.range_end);
  AppendInt64(create, 3, watch.start_revision);
  AppendBool(create, 6, watch.prev_kv);
  AppendInt64(create, 7, watch.watch_id);
  AppendMessage(out, 1, create);
  return out;
}

std::string EncodeWatchCancel(int64_t watch_id) {
  std::string cancel, out;
  AppendInt64(cancel, 1, watch_id);
  AppendMessage(out, 2, cancel);
  return out;
}

std::string PrefixEnd(std::string prefix) {
  prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

api::WireField FieldOf(std::string_view message, uint32_t tag) {
  api::WireReader reader(message);
  while (const std::optional<api::WireField> field = reader.Next()) {
    if (field->tag == tag) return *field;
  }
  return {};
}

int64_t HeaderRevision(std::string_view reply) {
  return FieldOf(FieldOf(reply, api::BytesTag(1)).bytes, api::VarintTag(3)).int64();
}

}  // namespace regent::bench
