// The value of an event row 'e' revision sub: what happened there.
//
//   value       = kind:1 dead_before:v [predecessor] key
//   predecessor = back:v sub:v weight:v        (update and delete: the live version that ended here; back is the
//                                               distance from this revision to its revision)
//
// dead_before is the running sum of what all events before this one made superfluous (bytes as the quota counts them):
// a create nothing, an update its predecessor, a delete its predecessor and its own tombstone. v is a varint.
//
// Creates are the births and deletes the deaths of keys, whatever happened to older versions.
//
// Example: revision 5 updates "a", whose version of revision 3 (sub 0) weighs 80, as the first superfluous one:
//   01 00  02 00 50  61.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/keys.h"

namespace regent::storage {

enum class EventKind : uint8_t { kCreate = 0, kUpdate = 1, kDelete = 2 };

struct EventRecord {
  EventKind kind = EventKind::kCreate;
  int64_t dead_before = 0;
  Position predecessor;            // kUpdate, kDelete
  int64_t predecessor_weight = 0;  // kUpdate, kDelete
  std::string_view key;
};

std::string EncodeEventRecord(Position position, const EventRecord& record);
// `key` points into `value`. nullopt: malformed.
std::optional<EventRecord> ParseEventRecord(Position position, std::string_view value);
// A malformed value is a broken disk (CHECK).
EventRecord DecodeEventRecord(Position position, std::string_view value);

}  // namespace regent::storage
