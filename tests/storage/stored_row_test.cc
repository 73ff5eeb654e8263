// Rows taken apart: every kind, and none that is malformed ends the process.
#include "storage/stored_row.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "api/contract/wire.h"
#include "storage/configuration_row.h"
#include "storage/members.h"

namespace regent::storage {
namespace {

using Row = std::pair<std::string, std::string>;

// One row of each kind, in the order of StoredRow.
std::vector<Row> RowOfEachKind() {
  const Position position{5, 1};
  const EventRecord update{
      .kind = EventKind::kUpdate, .dead_before = 7, .predecessor = {3, 0}, .predecessor_weight = 80, .key = "k"};
  const std::string progress("\x04\x00\x03\x00", 4);
  return {
      {VersionRow(std::string("a\0b", 3), position), api::EncodeKeyValueRest({2}, {5}, 1, "value", {7})},
      {EventRow(position), EncodeEventRecord(position, update)},
      {CountRow("from"), std::string("\x05\x02", 2)},
      {std::string(kCountersRow), EncodeCounters({.applied_index = 9, .revision = 5})},
      {std::string(kPurgeRow), progress},
      {std::string(kConfigurationRow), EncodeConfigurationRow({.index = {4}, .term = {2}, .data = "data"})},
      {LeaseRow({-7}), "\x3c"},
      {LeaseKeyRow({-7}, "key"), ""},
      {AlarmRow(3, 1), ""},
      {std::string(kMemberRows) + std::string("\0\0\0\0\0\0\0\7", 8),
       EncodeMemberRow({.name = "n", .peer_urls = {"u"}})},
  };
}

TEST(StoredRow, EveryKindIsKnown) {
  const std::vector<Row> rows = RowOfEachKind();
  ASSERT_EQ(rows.size(), std::variant_size_v<StoredRow>);
  for (size_t kind = 0; kind < rows.size(); ++kind) {
    const auto parsed = ParseStoredRow(rows[kind].first, rows[kind].second);
    ASSERT_TRUE(parsed.ok()) << kind << ": " << parsed.status();
    EXPECT_EQ(parsed->index(), kind);
  }
  const auto version = ParseStoredRow(rows[0].first, rows[0].second);
  EXPECT_EQ(std::get<StoredVersion>(*version).key, std::string("a\0b", 3));
  EXPECT_EQ(std::get<StoredVersion>(*version).position, (Position{5, 1}));
  EXPECT_EQ(std::get<StoredLease>(*ParseStoredRow(rows[6].first, rows[6].second)).id.value, -7);
  EXPECT_EQ(std::get<PurgeProgress>(*ParseStoredRow(rows[4].first, rows[4].second)).versions, (Position{4, 0}));
}

TEST(StoredRow, AMalformedOneIsAnError) {
  for (const auto& [row, value] : std::vector<Row>{
           {"", ""},
           {"x", ""},
           {"v", ""},
           {"vab", ""},
           {VersionRow("a", {5, 0}).substr(1), ""},
           {std::string("va\0x\0\1", 6) + std::string(kPositionBytes, '\xff'), ""},  // a zero without its FF
           {VersionRow("a", {5, 0}), "\xff"},
           {EventRow({5, 0}) + "x", std::string("\0\0k", 3)},
           {EventRow({5, 0}), "\x07"},
           {EventRow({5, 0}), ""},
           {CountRow(""), "\xff"},
           {std::string(kCountersRow), "\x01\x02"},
           {std::string(kCountersRow), "\x02"},
           {std::string(kPurgeRow), ""},
           {"ml123", "\x3c"},
           {LeaseRow({7}), ""},
           {"mk", ""},
           {"ma1234567", ""},
       }) {
    EXPECT_FALSE(ParseStoredRow(row, value).ok()) << row;
  }
}

TEST(StoredRow, NoBytesEndTheProcess) {
  std::mt19937_64 random(1);
  int good = 0, bad = 0;
  const std::vector<Row> rows = RowOfEachKind();
  for (int round = 0; round < 20'000; ++round) {
    auto [row, value] = rows[random() % rows.size()];
    for (std::string* bytes : {&row, &value}) {
      if (bytes->empty() || random() % 3 == 0) continue;
      if (random() % 2 == 0) bytes->resize(random() % bytes->size());
      if (!bytes->empty()) (*bytes)[random() % bytes->size()] = static_cast<char>(random());
    }
    ParseStoredRow(row, value).ok() ? ++good : ++bad;
  }
  EXPECT_GT(good, 1000);
  EXPECT_GT(bad, 1000);
}

}  // namespace
}  // namespace regent::storage
