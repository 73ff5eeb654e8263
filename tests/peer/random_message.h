// Raft messages of every kind that travels, drawn at random, edge values included.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>

#include "raft/configuration.h"
#include "raft/message.h"

namespace regent::testing {

inline constexpr int kMessageKinds = 12;

class RandomMessages {
 public:
  explicit RandomMessages(uint64_t seed) : random_(seed) {}

  raft::Message Next(raft::NodeId from, raft::NodeId to) {
    return {.from = from, .to = to, .term = {Number()}, .body = Body(static_cast<int>(random_() % kMessageKinds))};
  }

  raft::MessageBody Body(int kind) {
    switch (kind) {
      case 0:
        return Append();
      case 1:
        return raft::AppendAccepted{.match = {Number()}};
      case 2:
        return raft::AppendRejected{.rejected = {Number()}, .hint_index = {Number()}, .hint_term = {Number()}};
      case 3:
        return raft::Heartbeat{.commit = {Number()}, .context = Number()};
      case 4:
        return raft::HeartbeatReply{.context = Number()};
      case 5:
        return raft::VoteRequest{.last_index = {Number()}, .last_term = {Number()}, .leadership_transfer = Coin()};
      case 6:
        return raft::VoteReply{.granted = Coin()};
      case 7:
        return raft::PreVoteRequest{.campaign_term = {Number()}, .last_index = {Number()}, .last_term = {Number()}};
      case 8:
        return raft::PreVoteReply{.campaign_term = {Number()}, .granted = Coin()};
      case 9:
        return raft::ReadIndexRequest{.round = Number()};
      case 10:
        return raft::ReadIndexReply{.round = Number(), .index = {Number()}};
      default:
        return raft::TimeoutNow{};
    }
  }

 private:
  bool Coin() { return random_() % 2 == 0; }

  uint64_t Number() {
    switch (random_() % 5) {
      case 0:
        return 0;
      case 1:
        return UINT64_MAX;
      case 2:
        return random_() % 300;
      default:
        return random_() >> (random_() % 64);
    }
  }

  raft::AppendRequest Append() {
    raft::AppendRequest append{
        .prev_index = {random_() >> (1 + random_() % 60)}, .prev_term = {Number()}, .commit = {Number()}};
    for (uint64_t count = random_() % 6, i = 1; i <= count; ++i) {
      raft::Entry entry{.index = {append.prev_index.value + i}, .term = {Number()}};
      if (random_() % 4 == 0) entry.type = raft::EntryType::kConfiguration;
      entry.data = std::string(random_() % 3 == 0 ? 0 : random_() % 5000, static_cast<char>(random_()));
      append.entries.push_back(std::move(entry));
    }
    return append;
  }

  std::mt19937_64 random_;
};

}  // namespace regent::testing
