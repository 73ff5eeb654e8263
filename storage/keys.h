// The rows of the store, as bytes. Numbers are big-endian, so that the order of bytes is the order of numbers.
//
//   version   'v' escaped(key) 00 01 ~revision:8 ~sub:4   -> fields 2 to 6 of the mvccpb.KeyValue; empty: a tombstone
//   event     'e' revision:8 sub:4                        -> see event_row.h
//   count     'n' separator                               -> see key_counts.h
//   meta      'm' 's'                                     -> the counters, see counters.h
//             'm' 'p'                                     -> how far the purge is, see compaction.h
//             'm' 'c'                                     -> the newest applied configuration entry
//             'm' 'l' id:8                                -> a lease: its ttl as a varint
//             'm' 'k' id:8 key                            -> a key attached to a lease: empty
//             'm' 'a' member:8 alarm:1                    -> an active alarm: empty
//             'm' 'm' id:8, 'm' 'r' id:8                  -> the members, and those removed, see members.h
//
// escaped() puts FF behind every byte 00. The end 00 01 is smaller than any continuation of the key, so versions stand
// in the order of their keys; the complements put the newest version of a key first.
//
// Example: key "a\0b" at revision 5, sub 0:  76 61 00 FF 62 00 01 FF FF FF FF FF FF FF FA FF FF FF FF.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "api/contract/types.h"

namespace regent::storage {

inline constexpr char kVersionRows = 'v';
inline constexpr char kEventRows = 'e';
inline constexpr char kCountRows = 'n';
inline constexpr std::string_view kCountersRow = "ms";
inline constexpr std::string_view kPurgeRow = "mp";
inline constexpr std::string_view kConfigurationRow = "mc";
inline constexpr std::string_view kLeaseRows = "ml";
inline constexpr std::string_view kLeaseKeyRows = "mk";
inline constexpr std::string_view kAlarmRows = "ma";
inline constexpr std::string_view kMemberRows = "mm";
inline constexpr std::string_view kRemovedMemberRows = "mr";

inline constexpr size_t kPositionBytes = 12;
inline constexpr uint32_t kLastSub = std::numeric_limits<uint32_t>::max();

// A place in the history: the sub orders the operations of one revision.
struct Position {
  int64_t revision = 0;
  uint32_t sub = 0;
  auto operator<=>(const Position&) const = default;
};

// The state after the whole of `revision`, as a bound for reads.
constexpr Position Through(int64_t revision) { return Position{revision, kLastSub}; }
// The state before the operation at `position`. REQUIRES: position.revision > 0.
constexpr Position Before(Position position) {
  return position.sub == 0 ? Through(position.revision - 1) : Position{position.revision, position.sub - 1};
}

// What all version rows of `key` begin with, and nothing else does.
std::string KeyPrefix(std::string_view key);
// The first row that is above all version rows with this prefix.
std::string AfterKeyPrefix(std::string_view prefix);
// The row of the version at `position`; rows from here on with the same prefix are that version and older ones.
std::string VersionRow(std::string_view key, Position position);
void AppendPosition(std::string& prefix, Position position);
// Where the version rows of keys >= range_end begin (range_end as the wire says it, not empty).
std::string VersionRowsEnd(std::string_view range_end);

// The parts of a version row. REQUIRES: the row is one (CHECK).
std::string_view PrefixOfVersionRow(std::string_view row);
Position PositionOfVersionRow(std::string_view row);
std::string KeyOfPrefix(std::string_view prefix);

std::string EventRow(Position position);
Position PositionOfEventRow(std::string_view row);

std::string CountRow(std::string_view separator);
std::string LeaseRow(api::LeaseId id);
std::string LeaseKeyRow(api::LeaseId id, std::string_view key);
std::string AlarmRow(uint64_t member, uint8_t alarm);

void AppendBigEndian64(std::string& out, uint64_t value);
uint64_t ReadBigEndian64(std::string_view bytes);

}  // namespace regent::storage
