// What a node has in every role. The roles (follower.h, candidate.h, leader.h) work on it; core.cc alone changes roles.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "raft/apply.h"
#include "raft/check.h"
#include "raft/configuration.h"
#include "raft/durability.h"
#include "raft/log.h"
#include "raft/membership.h"
#include "raft/message.h"
#include "raft/options.h"
#include "raft/output.h"
#include "raft/quorum.h"
#include "raft/random.h"
#include "raft/types.h"

namespace regent::raft {

struct Node {
  NodeId id;
  CoreOptions options;
  CoreMutants mutants;
  Membership membership;
  Log log;
  Durability durability;
  ApplyQueue apply;
  Index commit;
  Random random;
  uint64_t read_round;  // the last one used towards a leader
  Output pending;       // sends, fetches, snapshots and reads gathered since the last TakeOutput

  Term term() const { return durability.current().term; }

  // The log and what follows from it change together.
  void Append(Entry entry) {
    if (entry.type == EntryType::kConfiguration) {
      std::optional<ConfigurationEntry> decoded = DecodeConfigurationEntry(entry.data);
      RAFT_CHECK(decoded.has_value(), entry.index.value, entry.data.size());
      membership.Append(entry.index, std::move(decoded->configuration));
    }
    log.Append(std::move(entry));
  }
  void TruncateFrom(Index first) {
    log.TruncateFrom(first);
    durability.Overwritten(first);
    if (!mutants.keep_truncated_configuration) membership.TruncateFrom(first);
  }
  void CommitThrough(Index index) {
    if (index <= commit) return;
    commit = index;
    membership.Committed(commit);
  }

  // What is committed and durable stays in memory for slow peers; a node without peers keeps what apply still needs.
  void TrimLog() {
    const Index durable = std::min(commit, durability.stable());
    if (IsAlone(membership.current(), id)) {
      log.Trim(std::min(durable, apply.handed()), 0);
    } else {
      log.Trim(durable, options.memory_tail_bytes_max);
    }
  }

  // Not while a snapshot is being installed: its log is about to be replaced.
  bool MayCampaign() const { return membership.MayCampaign(id) && !durability.InstallPending(); }

  // The message reveals nothing that is not durable: it leaves at once.
  void SendNow(NodeId to, MessageBody body) {
    pending.send.push_back({.from = id, .to = to, .term = term(), .body = std::move(body)});
  }

  // The message reveals term or vote: it leaves when these are durable, and the log through `through`.
  void SendWhenDurable(NodeId to, MessageBody body, Index through = {}) {
    if (mutants.acknowledge_before_persist) return SendNow(to, std::move(body));
    durability.SendWhenDurable({.from = id, .to = to, .term = term(), .body = std::move(body)}, through);
  }

  // "At least as up to date as this log" (paper, section 5.4.1).
  bool LogIsUpToDate(Index last_index, Term last_term) const {
    if (mutants.vote_for_shorter_log) return true;
    return last_term > log.last_term() || (last_term == log.last_term() && last_index >= log.last_index());
  }

  uint32_t RandomElectionTicks() {
    return options.election_ticks + static_cast<uint32_t>(random.Below(options.election_ticks));
  }
};

}  // namespace regent::raft
