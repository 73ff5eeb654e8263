// Raft messages on the wire: every kind comes back as it was; what is cut off or changed is told or harmless.
#include "server/peer/message_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>

#include "server/peer/note_codec.h"
#include "tests/peer/random_message.h"

namespace regent::server {
namespace {

using raft::NodeId;
using regent::testing::RandomMessages;
using ::testing::HasSubstr;

std::string Encode(const raft::Message& message) {
  std::string bytes;
  AppendMessage(bytes, message);
  return bytes;
}

TEST(MessageCodecTest, TheWorkedExampleOfTheHeader) {
  const raft::Message heartbeat{
      .from = {1}, .to = {2}, .term = {7}, .body = raft::Heartbeat{.commit = {300}, .context = 1}};
  EXPECT_EQ(Encode(heartbeat), "\x04\x07\xac\x02\x01");
}

TEST(MessageCodecTest, MessagesOfEveryKindComeBackAsTheyWere) {
  RandomMessages messages(1);
  std::set<size_t> kinds;
  for (int i = 0; i < 5000; ++i) {
    const raft::Message message = messages.Next({7}, {9});
    kinds.insert(message.body.index());
    const absl::StatusOr<raft::Message> back = DecodeMessage(Encode(message), {7}, {9});
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, message);
  }
  EXPECT_EQ(kinds.size(), static_cast<size_t>(regent::testing::kMessageKinds));
}

TEST(MessageCodecTest, WhatIsCutOffOrTooLongIsRefused) {
  RandomMessages messages(2);
  for (int kind = 0; kind < regent::testing::kMessageKinds; ++kind) {
    const std::string bytes = Encode({.from = {1}, .to = {2}, .term = {1000}, .body = messages.Body(kind)});
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(DecodeMessage(std::string_view(bytes).substr(0, size), {1}, {2}).ok()) << kind << " " << size;
    }
    EXPECT_FALSE(DecodeMessage(bytes + '\0', {1}, {2}).ok()) << kind;
  }
}

TEST(MessageCodecTest, ChangedBytesNeverCrash) {
  RandomMessages messages(3);
  std::mt19937_64 random(3);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = Encode(messages.Next({1}, {2})).substr(0, 4000);
    for (int changes = 1 + static_cast<int>(random() % 4); changes > 0; --changes) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const absl::StatusOr<raft::Message> message = DecodeMessage(bytes, {1}, {2});
    if (!message.ok()) continue;
    EXPECT_EQ(*DecodeMessage(Encode(*message), {1}, {2}), *message);
  }
}

TEST(NoteCodecTest, NotesComeBackAsTheyWereAndNothingElseDoes) {
  const PeerNote notes[] = {
      ForwardedWrites{},
      ForwardedWrites{.commands = {"a", "", std::string(300, 'b')}},
      WriteRefused{.sequence = 300, .why = absl::UnavailableError("no")},
      WriteRefused{.sequence = UINT64_MAX, .why = absl::UnauthenticatedError("")},
      LeaseQuestion{.number = 1, .kind = LeaseQuestion::Kind::kTimeToLive, .lease = {INT64_MIN}},
      LeaseAnswer{.number = 9, .ttl = -1, .granted_ttl = INT64_MAX, .keys = {"k1", "k2"}},
      LeaseAnswer{.number = 9, .outcome = LeaseAnswer::Outcome::kStopped},
      SnapshotOffer{.number = 4,
                    .term = {3},
                    .facts = {.index = {100},
                              .term = {2},
                              .configuration = {.index = {7}, .configuration = {.voters = {{1}, {2}}}}},
                    .files = {{"CURRENT", 16}, {"a.sst", 1 << 30}}},
      SnapshotFetch{.number = 4, .file = 1, .offset = 77},
      SnapshotPiece{.number = 4, .file = 1, .offset = 77, .bytes = "bytes"},
      SnapshotEnd{.number = 4, .installed = true}};
  for (const PeerNote& note : notes) {
    std::string bytes;
    AppendNote(bytes, note);
    const absl::StatusOr<PeerNote> back = DecodeNote(bytes);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, note);
    for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(DecodeNote(bytes.substr(0, size)).ok()) << size;
    EXPECT_FALSE(DecodeNote(bytes + 'x').ok());
  }
  std::string refused;
  AppendNote(refused, notes[2]);
  EXPECT_EQ(refused, "\x02\xac\x02\x0e\x02no");
}

TEST(NoteCodecTest, ChangedBytesNeverCrash) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(1 + random() % 40, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() % 2 == 0 ? random() : random() % 5);
    const absl::StatusOr<PeerNote> note = DecodeNote(bytes);
    if (!note.ok()) continue;
    std::string again;
    AppendNote(again, *note);
    EXPECT_EQ(*DecodeNote(again), *note);
  }
}

TEST(MessageCodecTest, ErrorsSayWhatIsWrong) {
  EXPECT_THAT(std::string(DecodeMessage("\x63\x01", {1}, {2}).status().message()), HasSubstr("unknown kind 99"));
  const std::string append("\x01\x07\x05\x06\x05\x01\x07\x09\x00", 9);
  EXPECT_THAT(std::string(DecodeMessage(append, {1}, {2}).status().message()), HasSubstr("unknown type 9"));
}

}  // namespace
}  // namespace regent::server
