// What nodes say to each other. One struct per message; the envelope carries who, to whom and in which term.
//
// `Message::term` is always the sender's current term. A message of a higher term makes the receiver a follower of that
// term, one of a lower term is answered with the receiver's term; the two pre-vote messages are the exception: they
// never change a receiver's term (a rejected pre-candidate learns a higher term from the reply).
//
// The network may lose, repeat, delay and reorder messages; a message of an earlier run of a node may arrive late.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "raft/types.h"

namespace regent::raft {

// Leader to everybody: the entries behind (prev_index, prev_term); none: a probe, or news of the commit index.
struct AppendRequest {
  Index prev_index;
  Term prev_term;
  Index commit;
  std::vector<Entry> entries;
  bool operator==(const AppendRequest&) const = default;
};

// The log of the sender agrees with the leader's through `match`, and is durable there.
struct AppendAccepted {
  Index match;
  bool operator==(const AppendAccepted&) const = default;
};

// No entry (rejected, its term). The leader may skip every index above `hint_index`: the sender's entry there has
// `hint_term`, and all later ones below `rejected` have a higher term than the leader's at `rejected`.
struct AppendRejected {
  Index rejected;  // prev_index of the request
  Index hint_index;
  Term hint_term;  // 0: unknown
  bool operator==(const AppendRejected&) const = default;
};

// Leader to everybody, every heartbeat interval and for every round of reads.
struct Heartbeat {
  Index commit;      // never above what the receiver acknowledged
  uint64_t context;  // the newest round of reads in this term; 0: none
  bool operator==(const Heartbeat&) const = default;
};

struct HeartbeatReply {
  uint64_t context;
  bool operator==(const HeartbeatReply&) const = default;
};

// A candidate of `Message::term`.
struct VoteRequest {
  Index last_index;
  Term last_term;
  bool leadership_transfer = false;  // the leader asked for it: stickiness does not apply
  bool operator==(const VoteRequest&) const = default;
};

struct VoteReply {
  bool granted = false;
  bool operator==(const VoteReply&) const = default;
};

// "Would you vote for me in campaign_term?" Binds nobody (thesis, section 9.6).
struct PreVoteRequest {
  Term campaign_term;  // the sender's term + 1
  Index last_index;
  Term last_term;
  bool operator==(const PreVoteRequest&) const = default;
};

struct PreVoteReply {
  Term campaign_term;  // of the request
  bool granted = false;
  bool operator==(const PreVoteReply&) const = default;
};

// Follower to leader: a round of reads; `round` is never used again, not even by a later run of the follower.
struct ReadIndexRequest {
  uint64_t round;
  bool operator==(const ReadIndexRequest&) const = default;
};

struct ReadIndexReply {
  uint64_t round;
  Index index;
  bool operator==(const ReadIndexReply&) const = default;
};

// Leader to follower: the snapshot of the state after the entry (index, term) has arrived there, complete and verified.
// The owner hands this over when it has received everything; a core answers with AppendAccepted when it is installed.
struct InstallSnapshot {
  Index index;
  Term term;
  PlacedConfiguration configuration;  // in force at `index`
  bool operator==(const InstallSnapshot&) const = default;
};

// Leader to follower: campaign now (leadership transfer, thesis section 3.10). Repeated until it shows effect.
struct TimeoutNow {
  bool operator==(const TimeoutNow&) const = default;
};

using MessageBody =
    std::variant<AppendRequest, AppendAccepted, AppendRejected, Heartbeat, HeartbeatReply, VoteRequest, VoteReply,
                 PreVoteRequest, PreVoteReply, ReadIndexRequest, ReadIndexReply, InstallSnapshot, TimeoutNow>;

struct Message {
  NodeId from;
  NodeId to;
  Term term;
  MessageBody body;
  bool operator==(const Message&) const = default;
};

}  // namespace regent::raft
